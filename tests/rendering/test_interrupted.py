"""A render that is stopped or killed within a shot resumes at the step that it had reached."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event, ignore
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.disk import Disk
from onestory_cli.store.reuse import forecast
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.films import FINGERPRINT, SPEC, change, latents_of, plan_of, render_with, shot, story_of, three_shots
from tests.store.test_damage import flip


class Stop:
    """Asks to stop once a step of a shot is done; hears what the render says of it."""

    def __init__(self, shot: str, step: int) -> None:
        self.at = (shot, step)
        self.heard: list[Event] = []
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def listen(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, events.StepDone):
            self.asked = self.asked or (event.shot, event.step) == self.at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "film.run"


def stop_at(plan: Plan, folder: Path, shot: str, step: int, **options: object) -> Stop:
    stop = Stop(shot, step)
    with pytest.raises(KeyboardInterrupt):
        render_with(plan, folder, stop.listen, stop=stop, **options)
    return stop


def steps_of(heard: list[Event]) -> list[tuple[str, int]]:
    return [(event.shot, event.step) for event in heard if isinstance(event, events.StepDone)]


def partials(folder: Path) -> list[Path]:
    return sorted(folder.glob("shots/*/*/partial.safetensors"))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_stop_at_a_step_resumes_at_the_next_with_the_same_result(tmp_path: Path, folder: Path, step: int) -> None:
    render_with(three_shots(), tmp_path / "whole")
    stop = stop_at(three_shots(), folder, "city", step)
    assert steps_of(stop.heard)[-1] == ("city", step)
    others = [event for event in stop.heard if not isinstance(event, events.TakeCommitted)]  # of opening, any time
    assert others[-2:] == [
        events.PartialKept(shot="city", step=step, steps=3),
        events.RunInterrupted(run=str(folder), finished=1, shots=3),
    ]
    assert len(partials(folder)) == 1
    assert find_damage(Run(folder)) == ()
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append)
    city = [at for at in steps_of(heard) if at[0] == "city"]
    assert city == [("city", later) for later in range(step + 1, 4)]
    assert partials(folder) == []
    assert latents_of(folder) == latents_of(tmp_path / "whole")
    for file in ("run.json", "film.mp4"):
        assert (folder / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_plan_events_and_record_of_a_resumed_shot(folder: Path) -> None:
    stop_at(three_shots(), folder, "city", 2)
    why = {item.job.shot: str(item.why) for item in forecast(three_shots(), Run.open(folder))}
    assert why == {"opening": "kept", "city": "interrupted: resumes at step 3 of 3", "return": "new"}
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append)
    started = {event.shot: (event.reason, event.goes_on) for event in heard if isinstance(event, events.ShotStarted)}
    assert started == {"city": ("new", "resumes at step 3 of 3"), "return": ("new", "")}
    assert str(Run.open(folder).takes_by_shot()["city"].takes[0].record.reason) == "new"


def test_stop_between_shots_starts_no_other(folder: Path) -> None:
    heard: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        render_with(three_shots(), folder, heard.append, stop=lambda: True)
    assert steps_of(heard) == []
    assert heard[-1] == events.RunInterrupted(run=str(folder), finished=0, shots=3)


def test_stop_after_the_last_shot_is_not_an_interruption(folder: Path) -> None:
    render_with(three_shots(), folder)
    assert render_with(three_shots(), folder, stop=lambda: True).made == []


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, 9), (3600.0, 0)])
def test_partials_are_saved_at_the_given_interval(folder: Path, seconds: float, kept: int) -> None:
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append, checkpoint_seconds=seconds)
    assert sum(isinstance(event, events.PartialKept) for event in heard) == kept
    assert partials(folder) == []


def test_full_disk_leaves_the_previous_partial(tmp_path: Path, folder: Path) -> None:
    class FullAt(Disk):
        """Full from the second partial on."""

        seen = 0

        def step(self, operation: str, path: Path) -> None:
            self.seen += "partial" in path.name and operation == "write"
            if self.seen >= 2 and operation != "remove":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    render_with(three_shots(), tmp_path / "whole")
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), folder, disk=FullAt(), checkpoint_seconds=0.0)
    assert (caught.value.code, caught.value.exit) == ("R405", ExitCode.PARTIAL)
    assert find_damage(Run(folder)) == ()
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append)
    assert steps_of(heard)[0] == ("opening", 2)
    assert latents_of(folder) == latents_of(tmp_path / "whole")
    assert not list(folder.glob("shots/*/*/.*"))


def test_clock_set_back_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append, checkpoint_seconds=3600.0)
    assert not any(isinstance(event, events.PartialKept) for event in heard)
    assert render_with(three_shots(), folder).made == []


def test_edited_shot_restarts_and_undone_edit_resumes(folder: Path) -> None:
    plan = three_shots()
    stop_at(plan, folder, "city", 2)
    stop = stop_at(change(plan, "city", resolved_caption="a city by day"), folder, "city", 1)
    assert steps_of(stop.heard) == [("city", 1)]
    heard: list[Event] = []
    render_with(plan, folder, heard.append)
    assert steps_of(heard)[0] == ("city", 3)


def test_shot_with_changed_memory_restarts(folder: Path) -> None:
    plan = three_shots()
    stop_at(plan, folder, "city", 2)
    heard: list[Event] = []
    render_with(change(plan, "opening", resolved_caption="other words"), folder, heard.append)
    assert [at for at in steps_of(heard) if at[0] == "city"] == [("city", 1), ("city", 2), ("city", 3)]


def test_damaged_partial_is_reported_and_removed(tmp_path: Path, folder: Path) -> None:
    render_with(three_shots(), tmp_path / "whole")
    stop_at(three_shots(), folder, "city", 2)
    (victim,) = partials(folder)
    flip(victim)
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append)
    (warned,) = (event.message for event in heard if isinstance(event, events.Warned))
    assert warned == f'"{victim.relative_to(folder)}" is damaged: checksum mismatch'
    assert [at for at in steps_of(heard) if at[0] == "city"] == [("city", 1), ("city", 2), ("city", 3)]
    assert (folder / "run.json").read_bytes() == (tmp_path / "whole" / "run.json").read_bytes()
    assert find_damage(Run(folder)) == ()


def test_missing_partial_costs_only_its_steps(folder: Path) -> None:
    stop_at(three_shots(), folder, "city", 2)
    partials(folder)[0].unlink()
    heard: list[Event] = []
    assert render_with(three_shots(), folder, heard.append).made == ["city", "return"]
    assert steps_of(heard)[0] == ("city", 1)


def test_stopped_forced_shot_is_dropped_without_force(folder: Path) -> None:
    render_with(three_shots(), folder)
    stop_at(three_shots(), folder, "city", 2, force=("city",))
    assert len(partials(folder)) == 1
    assert render_with(three_shots(), folder).made == []
    assert partials(folder) == []


def test_run_uses_the_story_it_started_with(tmp_path: Path, folder: Path) -> None:
    """The author saves another version during a render: the run continues with its own copy."""
    story = story_of(shot("opening"), shot("city"), folder=tmp_path)
    plan, _ = make_plan(story, SPEC, model_fingerprint=FINGERPRINT)
    file = tmp_path / "film.story.yaml"
    file.write_bytes(story.source)

    def edit(event: Event) -> None:
        if isinstance(event, events.StepDone):
            file.write_bytes(b"something else")

    render_with(plan, folder, edit)
    render_with(plan_of(shot("opening"), shot("city")), tmp_path / "whole", ignore)
    assert (folder / "story.yaml").read_bytes() == story.source
    assert (folder / "run.json").read_bytes() == (tmp_path / "whole" / "run.json").read_bytes()
