"""The provenance in a film reproduces it frame by frame and contains nothing about the machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli import load_story, plan, render
from onestory_cli.errors import OnestoryError
from onestory_cli.media.mux import ClipPart, mux_film, read_metadata
from onestory_cli.media.video import read_clip
from onestory_cli.rendering.join import KEY, Provenance
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.films import latents_of, plan_of, render_with, shot, three_shots
from tests.tiny import tiny_folder as tiny_folder  # the fixture

STORY = """\
story: 1
title: The Lost Kite   # a working title
note: of the office
model: {model}
seed: 5
profiles:
  draft: {{steps: 1, frames: 5}}
characters:
  fox: {{look: a red fox with a blue scarf, image: refs/fox.png}}
shots:
  - {{id: opening, caption: Wide shot. $fox walks right on a beach., image: refs/fox.png}}
  - {{id: return, caption: $fox waves., seed: 11}}
"""


def recipe_in(film: Path) -> Provenance:
    return Provenance.from_metadata(read_metadata(film))


@pytest.mark.filterwarnings("ignore::onestory_cli.api.StoryWarning")
@pytest.mark.slow
def test_story_in_the_provenance_gives_the_same_frames(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "secret" / "refs").mkdir(parents=True)
    Image.new("RGB", (64, 64), "firebrick").save(tmp_path / "secret" / "refs" / "fox.png")
    path = tmp_path / "secret" / "film.story.yaml"
    path.write_text(STORY.format(model=tiny_folder))
    first = plan(load_story(path, profile="draft", allow_outside=True), allow_outside=True)
    film = render(first, takes={"return": 2}, device="cpu")
    run = Run.open(film.parent)
    other = max(run.takes_by_shot()["return"].takes, key=lambda take: take.record.take)
    with lock_run(run) as writer:
        writer.accept("return", other, chosen=True)
    film = render(first, device="cpu")
    recipe = recipe_in(film)
    assert recipe.shots[1]["take"] == 1
    text = str(read_metadata(film))
    for private in (str(tmp_path), str(tiny_folder.parent), "secret", "refs/fox.png", "office", "working title"):
        assert private not in text
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / tiny_folder.name).symlink_to(tiny_folder)
    (tmp_path / "elsewhere" / "inputs").symlink_to(film.parent / "inputs")
    (tmp_path / "elsewhere" / "again.story.yaml").write_text(recipe.story)
    again = plan(load_story(tmp_path / "elsewhere" / "again.story.yaml", allow_outside=True), allow_outside=True)
    assert again.model_fingerprint == recipe.model.fingerprint
    copy = render(again, device="cpu")
    assert latents_of(copy.parent) == latents_of(film.parent)
    assert np.array_equal(read_clip(copy), read_clip(film))
    assert [shot["latents"] for shot in recipe_in(copy).shots] == [shot["latents"] for shot in recipe.shots]


def test_the_same_film_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        render_with(three_shots(), tmp_path / name)
    assert (tmp_path / "a" / "film.mp4").read_bytes() == (tmp_path / "b" / "film.mp4").read_bytes()


def test_new_provenance_joins_the_film_without_rendering(tmp_path: Path) -> None:
    render_with(plan_of(shot("opening"), shot("city")), tmp_path)
    generator = render_with(plan_of(shot("opening"), shot("city"), style="unused by these captions"), tmp_path)
    assert generator.made == []
    assert "unused by these captions" in recipe_in(tmp_path / "film.mp4").story


@pytest.mark.slow
def test_provenance_of_thousands_of_shots_fits(tmp_path: Path) -> None:
    render_with(plan_of(shot("opening", "A beach. " * 500)), tmp_path)
    clip = next(tmp_path.glob("shots/*/*/clip.mp4"))
    recipe = recipe_in(tmp_path / "film.mp4")
    large = Provenance(**{**vars(recipe), "shots": recipe.shots * 2000})
    assert len(large.to_text()) > 8_000_000
    mux_film(tmp_path / "large.mp4", [ClipPart(path=clip, title="opening")], metadata={KEY: large.to_text()})
    assert recipe_in(tmp_path / "large.mp4") == large


@pytest.mark.parametrize(
    "metadata",
    [{}, {KEY: "{"}, {KEY: "[]"}, {KEY: '{"title": "T", "shots": []}'}, {KEY: '{"format": 2}'}, {KEY: "[" * 100_000}],
)
def test_film_without_provenance_is_reported(metadata: dict[str, str]) -> None:
    with pytest.raises(OnestoryError) as caught:
        Provenance.from_metadata(metadata)
    assert caught.value.code == "M515"
