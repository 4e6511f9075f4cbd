"""Run directories of version 0.1 (commit bfc5acc) stay valid: their takes are kept, verified and resumed.

`version_0_1/` holds three of them, rendered by that version: `finished` and `stopped` by the arithmetic model of
`tests/films.py`, `storyworld` by the embedded model (6 steps, `tests/store/version_0_1/fox.png` as reference image).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli import events
from onestory_cli.events import Event
from onestory_cli.models.catalog import find
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.store.references import read_reference, saved_references
from onestory_cli.store.reuse import forecast
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.story.types import MemoryRequest, Mention
from tests.films import NumpyGenerator, change, latents_of, plan_of, render_with, shot

RUNS = Path(__file__).parent / "version_0_1"
# What the card of the embedded model said then; the weights and the card may change.
STORYWORLD = {
    "width": 64,
    "height": 64,
    "fps": 8,
    "guidance": 3.0,
    "scheduler": "euler",
    "shift": 2.0,
    "memory_frames": 8,
    "budget": 4.0,
    "policy": "adaptive",
    "memory_guidance": 3.0,
    "scale": 8,
    "negative": "",
}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the run directory that the test asks for."""
    shutil.copytree(RUNS / request.param, tmp_path / "film.run")
    return tmp_path / "film.run"


def plan_of_numbers() -> Plan:
    fox = Mention(id="fox", kind="character", full=True, start=0, end=3)
    return plan_of(
        shot("opening", image="start.png", mentions=(fox,)),
        shot("city"),
        shot("return", "they meet", mentions=(fox,), memory=MemoryRequest(frames=1)),
        shot("end", seed=11),
        folder=RUNS,
    )


def decisions_of(plan: Plan, folder: Path) -> dict[str, tuple[str, str]]:
    return {item.job.shot: (item.action, str(item.why)) for item in forecast(plan, Run.open(folder))}


@pytest.mark.parametrize("folder", ["finished", "stopped", "storyworld"], indirect=True)
def test_verify_finds_no_damage(folder: Path) -> None:
    assert find_damage(Run.open(folder)) == ()
    takes = [take for shot_takes in Run.open(folder).takes_by_shot().values() for take in shot_takes.takes]
    assert {take.record.key[:12] for take in takes} == {
        path.name for path in folder.glob("shots/*/*") if path.is_dir()
    } - {path.parent.name for path in folder.glob("shots/*/*/partial.safetensors")}
    assert all(take.latents().shape == take.shape for take in takes)


@pytest.mark.parametrize("folder", ["finished"], indirect=True)
def test_a_finished_run_is_kept_as_it_is(folder: Path) -> None:
    plan, before = plan_of_numbers(), {path: path.read_bytes() for path in folder.glob("shots/*/*/*")}
    assert {action for action, _ in decisions_of(plan, folder).values()} == {"keep"}
    assert Run.open(folder).accepted()["city"].chosen
    assert render_with(plan, folder).made == []
    assert {path: path.read_bytes() for path in folder.glob("shots/*/*/*")} == before


@pytest.mark.parametrize("folder", ["finished"], indirect=True)
def test_missing_film_is_joined_again_from_old_takes(folder: Path) -> None:
    state = Run.open(folder).state()
    assert state is not None
    (folder / "film.mp4").unlink()
    assert render_with(plan_of_numbers(), folder).made == []
    assert (folder / "film.mp4").stat().st_size > 0
    assert find_damage(Run.open(folder)) == ()
    again = Run.open(folder).state()
    assert again is not None
    assert again.shots == state.shots


@pytest.mark.parametrize("folder", ["finished"], indirect=True)
def test_an_edit_renders_only_what_depends_on_it(folder: Path) -> None:
    plan = change(plan_of_numbers(), "end", resolved_caption="the end")
    assert decisions_of(plan, folder)["end"] == ("render", "caption changed")
    assert render_with(plan, folder).made == ["end"]


@pytest.mark.parametrize("folder", ["stopped"], indirect=True)
def test_a_stopped_run_resumes_at_its_partial(folder: Path, tmp_path: Path) -> None:
    plan = plan_of_numbers()
    partial = next(item.partial for item in forecast(plan, Run.open(folder)) if item.job.shot == "city")
    assert partial
    assert (partial.step, partial.steps) == (2, 3)
    emitted: list[Event] = []
    assert render_with(plan, folder, emitted.append).made == ["city", "return", "end"]
    assert [item.goes_on != "" for item in emitted if isinstance(item, events.ShotStarted)] == [True, False, False]
    assert find_damage(Run.open(folder)) == ()
    render_with(plan, tmp_path / "fresh.run", generator=NumpyGenerator())
    assert list(latents_of(folder)) == list(latents_of(tmp_path / "fresh.run"))


@pytest.mark.parametrize("folder", ["storyworld"], indirect=True)
def test_the_takes_of_a_real_model_are_kept_by_its_own_story(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(folder)
    state = run.state()
    assert state is not None
    spec = replace(find("storyworld"), **STORYWORLD)
    monkeypatch.setattr("onestory_cli.rendering.resume.model_of_run", lambda used: spec)
    monkeypatch.setattr("onestory_cli.rendering.resume.fingerprint_of", lambda _: state.model.fingerprint)
    plan = load_run_plan(run)
    assert plan.given == state.given
    # The default policy of a caption that names several characters and settings is another one since.
    jobs = (replace(job, memory=replace(job.memory, policy="adaptive", shown=())) for job in plan.jobs)
    plan = replace(plan, jobs=tuple(jobs))
    assert decisions_of(plan, folder) == {"opening": ("keep", "kept"), "return": ("keep", "kept")}
    assert all(read_reference(path) is not None for path in saved_references(folder))


def test_documents_were_written_by_that_version() -> None:
    """The directories are not rewritten by a later version."""
    states = [json.loads((path / "run.json").read_text()) for path in RUNS.iterdir() if path.is_dir()]
    assert {state["tool"] for state in states} == {"onestory 0.1.0"}
