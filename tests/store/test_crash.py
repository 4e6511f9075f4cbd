"""A writer is killed before every change of the disk, or by a signal, and the run resumes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.render import render
from onestory_cli.store.disk import Disk
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.films import NumpyGenerator, latents_of, plan_of, render_with, shot, three_shots

ROOT = Path(__file__).parents[2]


class CountingDisk(Disk):
    def __init__(self) -> None:
        self.changes: list[str] = []

    def step(self, operation: str, path: Path) -> None:
        self.changes.append(f"{operation} {path.name}")


class DeadlyDisk(Disk):
    """Kills its own process just before the k-th change."""

    def __init__(self, k: int) -> None:
        self.left = k

    def step(self, operation: str, path: Path) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def render_and_die(plan: Plan, folder: Path, k: int) -> None:
    """In a child process that kills itself before its k-th change."""
    child = os.fork()
    if child == 0:
        try:
            render(plan, Run.create(folder, DeadlyDisk(k)), NumpyGenerator)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def changes_of(plan: Plan, folder: Path) -> int:
    disk = CountingDisk()
    render_with(plan, folder, disk=disk)
    return len(disk.changes)


def assert_equal_runs(one: Path, other: Path) -> None:
    assert latents_of(one) == latents_of(other)
    for file in ("run.json", "film.mp4", "story.yaml"):
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


@pytest.mark.fault
def test_kill_before_every_change_resumes_to_the_same_bytes(memory_folder: Path) -> None:
    plan = plan_of(shot("opening"), shot("return"))
    whole = memory_folder / "whole"
    count = changes_of(plan, whole)
    assert count > 30
    for k in range(count):
        folder = memory_folder / f"killed-{k}"
        render_and_die(plan, folder, k)
        assert find_damage(Run(folder)) == (), k
        render_with(plan, folder)
        assert_equal_runs(folder, whole)
        assert not list(folder.glob(".*")), k


@pytest.mark.fault
def test_killed_before_every_change_of_an_edit(memory_folder: Path) -> None:
    before = plan_of(shot("opening"), shot("return"))
    after = plan_of(shot("opening"), shot("return", "other words"), title="Again")
    whole = memory_folder / "whole"
    render_with(before, whole)
    count = changes_of(after, whole)
    for k in range(count):
        folder = memory_folder / f"killed-{k}"
        render_with(before, folder)
        render_and_die(after, folder, k)
        assert find_damage(Run(folder)) == (), k
        generator = render_with(after, folder)
        assert generator.made in ([], ["return"])
        assert_equal_runs(folder, whole)


@pytest.mark.fault
def test_staged_take_survives_a_second_kill_during_recovery(memory_folder: Path) -> None:
    plan, whole, killed = plan_of(shot("opening")), memory_folder / "whole", memory_folder / "killed"
    disk = CountingDisk()
    render_with(plan, whole, disk=disk)
    (take,) = (whole / "shots" / "opening").iterdir()
    render_and_die(plan, killed, disk.changes.index(f"rename {take.name}"))
    for k in range(12):
        folder = memory_folder / f"again-{k}"
        shutil.copytree(killed, folder)
        render_and_die(plan, folder, k)
        assert find_damage(Run(folder)) == (), k
        assert render_with(plan, folder).made == [], k
        assert_equal_runs(folder, whole)


def test_staged_take_replaces_a_damaged_one(memory_folder: Path) -> None:
    plan, damaged, accepted_takes = plan_of(shot("opening")), memory_folder / "damaged", memory_folder / "counted"
    render_with(plan, damaged)
    (take,) = (damaged / "shots" / "opening").iterdir()
    (take / "clip.mp4").write_bytes(b"cut")
    shutil.copytree(damaged, accepted_takes)
    disk = CountingDisk()
    render_with(plan, accepted_takes, disk=disk)
    render_and_die(
        plan, damaged, disk.changes.index(f"rename .damaged-{take.name}")
    )  # before the damaged one is set aside
    assert render_with(plan, damaged).made == []
    assert_equal_runs(damaged, accepted_takes)


@pytest.mark.fault
def test_sigkill_between_and_within_shots(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    render_with(three_shots(), whole)
    script = (
        "import sys, time; from pathlib import Path; from tests.films import *; from onestory_cli import events\n"
        "def slowly(event):\n"
        "    print(type(event).__name__, getattr(event, 'shot', ''), flush=True)\n"
        "    time.sleep(0.2 if isinstance(event, events.StepDone) else 0)\n"
        "render_with(three_shots(), Path(sys.argv[1]), slowly)\n"
    )
    for words in ("TakeCommitted opening", "StepDone city", "TakeCommitted city"):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert child.stdout is not None
        next(line for line in child.stdout if line.strip() == words)
        child.kill()
        child.wait()
        assert find_damage(Run(folder)) == ()
    assert render_with(three_shots(), folder).made == ["return"]
    assert_equal_runs(folder, whole)


def test_torn_last_line_of_the_log_is_removed(tmp_path: Path) -> None:
    render_with(three_shots(), tmp_path)
    events = tmp_path / "events.jsonl"
    lines = events.read_bytes()
    events.write_bytes(lines + b'{"event": "ShotSt')
    render_with(three_shots(), tmp_path)
    assert events.read_bytes().startswith(lines + b'{"event": "RunStarted"')


@pytest.mark.parametrize("year", [1990, 2090])
def test_the_clock_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    render_with(three_shots(), tmp_path)
    monkeypatch.setattr(time, "time", lambda: (year - 1970) * 365.25 * 86400)
    assert render_with(three_shots(), tmp_path).made == []
    assert render_with(plan_of(shot("opening", "other")), tmp_path).made == ["opening"]
