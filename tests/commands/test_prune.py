from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import retake
from onestory_cli.store.references import planned_references
from onestory_cli.store.reuse import Lookup
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import RunWriter, lock_run
from tests.commands.conftest import Onestory, change
from tests.films import latents_of, render_with


def folders(run: Path) -> set[Path]:
    return set(run.glob("shots/*/*"))


def edited(story: Path, film_run: Path) -> set[Path]:
    """Edit and rerender the run; return the new takes."""
    before = folders(film_run)
    change(story, "A city at night.", "A city at dawn.")
    plan, _ = compile_story(story)
    render_with(plan, film_run)
    return folders(film_run) - before


def test_takes_of_old_stories_are_deleted(onestory: Onestory, story: Path, film_run: Path) -> None:
    (old,) = film_run.glob("shots/city/*")
    edited(story, film_run)
    latents = latents_of(film_run)
    dry = onestory("prune", film_run, "--dry-run")
    assert (dry.exit, dry.out) == (ExitCode.DONE, f"{old}\n")
    size = sum(path.stat().st_size for path in old.iterdir())
    assert dry.err == f"1 takes, {size} bytes would be freed\n"
    assert old.exists()
    assert onestory("prune", film_run, "--json").json["bytes"] == size
    assert not old.exists()
    assert (latents_of(film_run), find_damage(Run.open(film_run))) == (latents, ())
    assert list(film_run.glob(".staging-*")) == []


def test_keep_0_keeps_only_accepted_takes(onestory: Onestory, story: Path, film_run: Path) -> None:
    edited(story, film_run)
    latents = latents_of(film_run)
    onestory("prune", film_run, "--keep", "9")
    assert len(folders(film_run)) > 3
    onestory("prune", film_run, "--keep", "0")
    assert len(folders(film_run)) == 3
    assert latents_of(film_run) == latents
    assert onestory("prune", film_run, "--keep", "1", "--unused").exit is ExitCode.USAGE


def partial_of(run: Path, shot: str, key: str) -> Path:
    arrays = {"latents": np.zeros((4, 2, 4, 4), np.float32)}
    RunWriter(Run(run)).save_partial(shot, key, Partial(identity="0", step=1, steps=3, arrays=arrays))
    return run / "shots" / shot / key[:12] / "partial.safetensors"


def key_to_render(story: Path, run: Path, shot: str, take: int) -> str:
    plan, _ = compile_story(story)
    there = Run.open(run)
    lookup = Lookup(plan, there.takes_by_shot(), accepted=there.accepted())
    digests = {item.job.shot: item.take.digest if item.take else None for item in lookup.forecast()}
    key = lookup.key(retake(plan.job(shot), take), digests)
    assert key
    return key


def test_partial_work_that_no_shot_can_resume_is_deleted(onestory: Onestory, story: Path, film_run: Path) -> None:
    needed = partial_of(film_run, "city", key_to_render(story, film_run, "city", 1))  # by `take new`
    stale, strange = partial_of(film_run, "city", "a" * 64), partial_of(film_run, "gone", "b" * 64)
    size = stale.stat().st_size + strange.stat().st_size
    dry = onestory("prune", film_run, "--dry-run")
    assert dry.out.splitlines() == [str(stale), str(strange)]
    assert dry.err == f"0 takes and 2 partials, {size} bytes would be freed\n"
    assert stale.exists()
    assert onestory("prune", film_run, "--keep", "0", "--json").json["partials"] == []
    document = onestory("prune", film_run, "--unused", "--json").json
    assert (document["bytes"], len(document["partials"])) == (size, 2)
    assert [path.exists() for path in (needed, stale.parent, strange.parent)] == [True, False, False]
    assert onestory("verify", film_run).exit is ExitCode.DONE


def test_partial_work_in_the_folder_of_a_deleted_take_is_deleted(
    onestory: Onestory, story: Path, film_run: Path
) -> None:
    (old,) = film_run.glob("shots/city/*")
    partial_of(film_run, "city", Run(film_run).takes_by_shot()["city"].takes[0].record.key)  # of `render --force city`
    edited(story, film_run)
    size = sum(path.stat().st_size for path in old.iterdir())
    document = onestory("prune", film_run, "--json").json
    assert (document["takes"], document["partials"], document["bytes"]) == ([f"city/{old.name}"], [], size)
    assert not old.exists()


def test_partial_work_of_an_expected_take_is_kept(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    plan, _ = compile_story(story)
    key = key_to_render(story, film_run, "city", 0)
    with lock_run(Run(film_run)) as writer:
        writer.freeze(plan)  # like a render that is interrupted later
    partials = partial_of(film_run, "city", key), partial_of(film_run, "return", "c" * 64)
    onestory("prune", film_run)
    assert [path.exists() for path in partials] == [True, True]  # `return` is undecided


def with_picture(story: Path, grey: int) -> None:
    """Give the fox of the story a picture of this grey value."""
    Image.new("RGB", (32, 32), (grey, grey, grey)).save(story.parent / "fox.png")
    if "fox.png" not in story.read_text():
        change(story, "look: a red fox with a blue scarf", "look: a red fox with a blue scarf, image: fox.png")


def test_latents_of_unused_pictures_are_deleted(onestory: Onestory, story: Path, film_run: Path) -> None:
    for grey in (40, 200):
        with_picture(story, grey)
        plan, _ = compile_story(story)
        render_with(plan, film_run)
    there = set(film_run.glob("references/*"))
    (needed,) = planned_references(film_run, plan)
    (old,) = there - {needed}
    size = old.stat().st_size
    assert onestory("prune", film_run, "--keep", "9", "--json").json["references"] == []
    dry = onestory("prune", film_run, "--dry-run")
    assert str(old) in dry.out.splitlines()
    assert " and 1 latents of pictures, " in dry.err
    assert set(film_run.glob("references/*")) == there
    document = onestory("prune", film_run, "--unused", "--json").json
    assert document["references"] == [str(old.relative_to(film_run))]
    assert document["bytes"] > size
    assert set(film_run.glob("references/*")) == {needed}
    assert onestory("verify", film_run).exit is ExitCode.DONE
    assert not render_with(plan, film_run).made


def test_latents_that_an_accepted_take_remembered_are_kept(onestory: Onestory, story: Path, film_run: Path) -> None:
    with_picture(story, 40)
    render_with(compile_story(story)[0], film_run)
    with_picture(story, 200)
    with lock_run(Run(film_run)) as writer:
        writer.freeze(compile_story(story)[0])  # like a render that is interrupted later
    there = set(film_run.glob("references/*"))
    onestory("prune", film_run)
    assert set(film_run.glob("references/*")) == there
    assert onestory("verify", film_run).exit is ExitCode.DONE
