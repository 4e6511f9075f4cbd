"""A run resumes from its directory alone, without the story file, pictures and options."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import CARD
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.films import SPEC, NumpyGenerator, latents_of, render_with

STORY = """\
story: 1
title: Numbers   # as sums
model: models/numbers
seed: 7
profiles:
  draft: {steps: 2}
characters:
  fox: {look: a red fox, image: refs/fox.png}
shots:
  - {id: opening, caption: $fox waves., image: refs/start.png}
  - {id: city, caption: A city at night.}
  - {id: return, caption: $fox jumps.}
"""


def write_model(folder: Path) -> None:
    """Write the model of `NumpyGenerator` to models/numbers."""
    model = folder / "models" / "numbers"
    model.mkdir(parents=True)
    card = {key: value for key, value in asdict(SPEC).items() if key not in ("name", "base", "adapter")}
    (model / CARD).write_text(json.dumps(card))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name, colour in (("fox", "red"), ("start", "navy")):
        (tmp_path / "refs").mkdir(exist_ok=True)
        Image.new("RGB", (48, 32), colour).save(tmp_path / "refs" / f"{name}.png")
    write_model(tmp_path)
    (tmp_path / "film.story.yaml").write_text(STORY)
    return tmp_path / "film.story.yaml"


def plan_for(file: Path, **options: Any) -> Plan:
    plan, _ = compile_story(file, **options)
    return plan


def remove_stale_lock(file: Path) -> None:
    """Take away all that the run was made from, but the model."""
    file.unlink()
    for picture in (file.parent / "refs").iterdir():
        picture.unlink()


def test_resume_gives_the_result_of_an_uninterrupted_run(file: Path, tmp_path: Path) -> None:
    render_with(plan_for(file), tmp_path / "whole.run")
    render_with(plan_for(file, until="city"), tmp_path / "film.run")
    remove_stale_lock(file)
    run = Run.open(tmp_path / "film.run")
    assert render_with(load_run_plan(run), run.path).made == ["return"]
    assert latents_of(run.path) == latents_of(tmp_path / "whole.run")
    assert (run.path / "film.mp4").read_bytes() == (tmp_path / "whole.run" / "film.mp4").read_bytes()


@pytest.mark.parametrize(
    ("options", "steps", "seed"),
    [({"profile": "draft"}, 2, 7), ({"seed": 8}, 3, 8), ({"profile": "draft", "seed": 8}, 2, 8)],
)
def test_options_of_the_render_are_those_of_the_resume(
    file: Path, tmp_path: Path, options: dict[str, Any], steps: int, seed: int
) -> None:
    render_with(plan_for(file, **options), tmp_path / "film.run")
    remove_stale_lock(file)
    plan = load_run_plan(Run.open(tmp_path / "film.run"))
    assert {(job.steps, job.seed_rule.base) for job in plan.jobs} == {(steps, seed)}
    assert render_with(plan, tmp_path / "film.run").made == []


def test_changed_story_copy_is_restored(file: Path, tmp_path: Path) -> None:
    render_with(plan_for(file), tmp_path / "film.run")
    copy = tmp_path / "film.run" / "story.yaml"
    assert copy.read_bytes() == file.read_bytes()
    copy.write_text("story: 2")
    run = Run.open(tmp_path / "film.run")
    assert render_with(load_run_plan(run), run.path).made == []
    assert copy.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("change", ["story", "option", "model"])
def test_run_that_changed_meanwhile_is_refused(file: Path, tmp_path: Path, change: str) -> None:
    render_with(plan_for(file), tmp_path / "film.run")
    run = Run.open(tmp_path / "film.run")
    plan = load_run_plan(run)
    if change == "story":
        file.write_text(STORY.replace("at night", "at dawn"))
    elif change == "model":
        (tmp_path / "models" / "numbers" / "weights.safetensors").write_bytes(b"retrained")
    render_with(plan_for(file, **({"seed": 8} if change == "option" else {})), run.path)
    before = (run.path / "run.json").read_bytes(), (run.path / "story.yaml").read_bytes()
    for late in (render_with, lambda plan, _: make_takes(plan, run, NumpyGenerator, shot="city")):
        with pytest.raises(OnestoryError) as caught:
            late(plan, run.path)
        assert (caught.value.code, caught.value.exit) == ("R419", ExitCode.PARTIAL)
    assert ((run.path / "run.json").read_bytes(), (run.path / "story.yaml").read_bytes()) == before
    assert render_with(load_run_plan(run), run.path).made == []


def test_take_accepted_meanwhile_is_used(file: Path, tmp_path: Path) -> None:
    render_with(plan_for(file), tmp_path / "film.run")
    run = Run.open(tmp_path / "film.run")
    plan = load_run_plan(run)
    (other,) = make_takes(plan, run, NumpyGenerator, shot="return")
    with lock_run(run) as writer:
        writer.accept("return", other, chosen=True)
    assert render_with(plan, run.path).made == []


def test_a_damaged_copy_of_a_picture_is_refused(file: Path, tmp_path: Path) -> None:
    plan = plan_for(file)
    render_with(plan, tmp_path / "film.run")
    run = Run.open(tmp_path / "film.run")
    run.input(plan.images[0]).write_bytes(b"other")
    with pytest.raises(OnestoryError) as caught:
        load_run_plan(run)
    assert (caught.value.code, caught.value.exit) == ("S216", ExitCode.MACHINE)
    assert render_with(plan, run.path).made == []
    assert load_run_plan(run).jobs == plan.jobs


def test_missing_model_is_named(file: Path, tmp_path: Path) -> None:
    render_with(plan_for(file), tmp_path / "film.run")
    (tmp_path / "models" / "numbers" / CARD).unlink()
    with pytest.raises(OnestoryError, match=str(tmp_path / "models" / "numbers")):
        load_run_plan(Run.open(tmp_path / "film.run"))


def test_changed_model_renders_the_film_again(file: Path, tmp_path: Path) -> None:

    render_with(plan_for(file), tmp_path / "film.run")
    (tmp_path / "models" / "numbers" / "weights.safetensors").write_bytes(b"retrained")
    run = Run.open(tmp_path / "film.run")
    assert render_with(load_run_plan(run), run.path).made == ["opening", "city", "return"]


def test_empty_run_has_no_plan(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        load_run_plan(Run.create(tmp_path / "film.run"))
    assert caught.value.code == "R402"
