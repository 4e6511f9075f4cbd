"""`--keep-original`: what an external model delivered is a file of the take, with a digest like the others."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.external.result import keep_result
from onestory_cli.media.conform import ConformRules
from onestory_cli.media.video import write_clip
from onestory_cli.rendering.import_clip import import_clip
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store.prune import remove, unused
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import lock_run
from tests.external.conftest import plan_of
from tests.external.server import FakeComfyUi

KEEP = RenderOptions(keep_original=True)


def make(story: Path, options: RenderOptions = KEEP) -> tuple[Run, dict[str, Take]]:
    plan, run = plan_of(story), Run.create(story.with_name("film.run"))
    render(plan, run, generator_loader(plan, "cpu", lambda event: None), options=options)
    return run, {shot: found.takes[0] for shot, found in run.takes_by_shot().items()}


def pictures_in(take: Take) -> list[bytes]:
    assert take.original is not None
    with zipfile.ZipFile(take.original) as archive:
        return [archive.read(name) for name in sorted(archive.namelist())]


def shorten_story(story: Path) -> None:
    story.write_text("\n".join(story.read_text().splitlines()[:8]))  # two shots


def test_a_take_contains_what_the_server_delivered(story: Path, server: FakeComfyUi) -> None:
    shorten_story(story)
    run, takes = make(story)
    id = next(iter(server.prompts))
    assert pictures_in(takes["opening"]) == [server.pictures[f"{id}-{number}.png"] for number in range(5)]
    assert {"original.zip"} < takes["city"].record.files.keys()
    assert find_damage(run) == ()
    assert not list(run.path.glob(".staging-*"))
    story.write_text(story.read_text().replace("A city", "A town"))  # the opening stays the same
    assert make(story, RenderOptions())[1]["opening"].original == takes["opening"].original
    takes["opening"].original.write_bytes(b"damaged")
    assert [damage.path.name for damage in find_damage(run)] == ["original.zip"]


def test_originals_are_dropped_by_default(story: Path, server: FakeComfyUi) -> None:
    shorten_story(story)
    assert [take.original for take in make(story, RenderOptions())[1].values()] == [None, None]


@pytest.mark.slow
def test_a_take_with_another_memory_keeps_its_original(story: Path, server: FakeComfyUi) -> None:
    """The last shot sees an edited shot, but selects the same pictures."""
    story.write_text(story.read_text().replace("from: [opening]", "from: [opening, city], policy: storymem"))
    _, before = make(story)
    story.write_text(story.read_text().replace("A city at", "A town at"))
    run, after = make(story, RenderOptions())
    recommitted = [shot for shot, take in after.items() if take.id != before[shot].id and take.original]
    assert recommitted
    for shot in recommitted:
        assert pictures_in(after[shot]) == pictures_in(before[shot])
    assert find_damage(run) == ()


@pytest.mark.slow
def test_other_takes_have_originals_that_are_pruned_with_them(story: Path, server: FakeComfyUi) -> None:
    shorten_story(story)
    run, _ = make(story)
    plan = plan_of(story)
    (take,) = make_takes(plan, run, generator_loader(plan, "cpu", print), shot="city", options=KEEP)
    assert len(pictures_in(take)) == 5
    story.write_text(story.read_text().replace("A city", "A town"))
    make(story)
    with lock_run(run) as writer:
        remove(writer, unused(plan_of(story), run))
    assert not take.folder.exists()


@pytest.mark.slow
def test_an_imported_file_is_kept(story: Path, server: FakeComfyUi, tmp_path: Path) -> None:
    clip = tmp_path / "camera.MP4"
    write_clip(clip, np.full((5, 64, 64, 3), 77, np.uint8), fps=8)
    plan, run = plan_of(story), Run(story.with_name("film.run"))
    load = generator_loader(plan, "cpu", print)
    take = import_clip(plan, run, load, shot="city", clip=clip, rules=ConformRules(), accept=True, keep=True)
    assert take.original is not None
    assert take.original.name == "original.mp4"
    assert take.original.read_bytes() == clip.read_bytes()
    assert find_damage(run) == ()


def test_a_failed_shot_leaves_nothing(story: Path, server: FakeComfyUi) -> None:
    from onestory_cli.errors import OnestoryError

    server.skip_frames = 1
    with pytest.raises(OnestoryError, match="has 4 frames"):
        make(story)
    assert not list(story.with_name("film.run").glob(".staging-*"))


@pytest.mark.parametrize(
    ("name", "kept"), [("00000.webm", "original.webm"), ("00000.m!v", "original.bin"), ("00000", "original.bin")]
)
def test_the_name_of_an_original_has_a_plain_suffix(tmp_path: Path, name: str, kept: str) -> None:
    (tmp_path / name).write_bytes(b"film")
    (tmp_path / "kept").mkdir()
    keep_result([tmp_path / name], tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [kept]
