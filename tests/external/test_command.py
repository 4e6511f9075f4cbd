"""A command as a model: the example of the manual, refusals, failures and a stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.checkpoint import Partial
from onestory_cli.errors import OnestoryError
from onestory_cli.external.command import CommandRunner
from onestory_cli.external.job import ExternalJob, RunControl
from onestory_cli.planning.compile import compile_story
from onestory_cli.rendering.loading import allow_commands, generator_loader
from onestory_cli.rendering.render import render
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.pages import MANUAL

STORY = """\
story: 1
title: Command
model: {{command: [{python}, generate.py, --job, "{{job}}"], card: generate.json}}
shots:
  - {{id: opening, caption: A field.}}
  - {{id: city, caption: A city.}}
"""
CARD = {
    "width": 64,
    "height": 64,
    "frames": 5,
    "fps": 8,
    "remembers": "references",
    "references": 2,
    "policy": "recent",
}


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A story with the program that the manual shows."""
    page = (MANUAL / "command-models.md").read_text()
    program = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "generate.py").write_text(program)
    (tmp_path / "generate.json").write_text(json.dumps(CARD))
    path = tmp_path / "film.story.yaml"
    path.write_text(STORY.format(python=sys.executable))
    return path


def test_the_example_of_the_manual_renders_a_film(story: Path) -> None:
    plan, run = allow_commands(compile_story(story)[0]), Run.create(story.with_name("film.run"))
    steps = []
    render(plan, run, generator_loader(plan, "cpu", steps.append), steps.append)
    takes = {shot: found.takes[0] for shot, found in run.takes_by_shot().items()}
    assert [str(frame) for frame in takes["city"].record.memory.selected] == ["opening[1]", "opening[0]"]
    assert "StepDone" in {type(event).__name__ for event in steps}
    again = load_run_plan(run)
    assert again.model_fingerprint == plan.model_fingerprint
    assert not again.model.external.allowed


def test_a_command_needs_permission(story: Path) -> None:
    plan = compile_story(story)[0]
    with pytest.raises(OnestoryError) as caught:
        render(plan, Run.create(story.with_name("film.run")), generator_loader(plan, "cpu", print))
    assert caught.value.code == "M557"


def test_a_worker_of_a_batch_needs_permission(story: Path) -> None:
    plan, run = compile_story(story)[0], Run.create(story.with_name("film.run"))
    with lock_run(run) as writer:
        writer.freeze(plan)
    states = []
    for allowed in (False, True):
        work = WorkerConfig(device="cpu", threads=None, allow_commands=allowed)
        outcome = render_story(run.path, ModelCache(work))
        states.append((outcome.state, outcome.code))
    assert states == [("failed", "M557"), ("done", "")]


def run_script(folder: Path, script: str, control: RunControl | None = None) -> list[Path]:
    (folder / "work").mkdir()
    job = ExternalJob(shot="opening", values={"seed": 1})
    return CommandRunner([sys.executable, "-c", script, "{output}"], folder).run(
        job, folder / "work", control or RunControl()
    )


def test_a_failure_is_reported_with_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="ended with 3: no memory left") as caught:
        run_script(tmp_path, "import sys; print('no memory left', file=sys.stderr); sys.exit(3)")
    assert caught.value.code == "M554"


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="cannot start"):
        CommandRunner(["no-such-program-here"], tmp_path).run(
            ExternalJob(shot="opening", values={}), tmp_path, RunControl()
        )


def test_a_stop_ends_the_program(tmp_path: Path) -> None:
    class StopNow:
        enabled = True

        def load(self, identity: str) -> None: ...

        def due(self, *, last: bool = False) -> bool:
            return True

        def keep(self, partial: Partial) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_script(tmp_path, "import time; time.sleep(60)", RunControl(checkpoint=StopNow()))


@pytest.mark.slow
def test_a_batch_keeps_what_a_command_delivers(story: Path) -> None:
    plan, run = compile_story(story)[0], Run.create(story.with_name("film.run"))
    with lock_run(run) as writer:
        writer.freeze(plan)
    work = WorkerConfig(device="cpu", threads=None, allow_commands=True, keep_original=True)
    assert render_story(run.path, ModelCache(work), keep_original=work.keep_original).state == "done"
    originals = [found.takes[0].original for found in run.takes_by_shot().values()]
    assert [path.name for path in originals if path] == ["original.zip", "original.zip"]
