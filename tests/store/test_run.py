"""Run directories on full, read-only and foreign folders."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.checksummed_json import dump_checksummed
from onestory_cli.store.disk import Disk
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState
from onestory_cli.store.verify import find_damage
from tests.films import plan_of, render_with, shot, three_shots


class FailingDisk(Disk):
    """Refuses every change from the k-th on, as a full or read-only disk does; making room ends it."""

    def __init__(self, k: int, code: int) -> None:
        self.left, self.code, self.refused = k, code, 0

    def step(self, operation: str, path: Path) -> None:
        self.left -= 1
        if self.left < 0 and operation != "remove":
            self.refused += 1
            raise OSError(self.code, os.strerror(self.code), str(path))


def fault_of(plan: Plan, folder: Path, disk: Disk) -> OnestoryError | None:
    try:
        render_with(plan, folder, disk=disk)
    except OnestoryError as fault:
        return fault
    return None


@contextmanager
def as_nobody() -> Iterator[None]:
    """The rights of an ordinary user: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.slow
def test_full_disk_at_every_change_leaves_complete_takes(memory_folder: Path) -> None:
    plan = plan_of(shot("opening"), shot("return"))
    whole = memory_folder / "whole"
    render_with(plan, whole)
    refusals = 0
    for k in range(1000):
        folder, disk = memory_folder / f"full-{k}", FailingDisk(k, errno.ENOSPC)
        fault = fault_of(plan, folder, disk)
        assert fault is None or (fault.code, fault.exit) == ("R405", ExitCode.PARTIAL)
        assert (fault is None) == (disk.refused == 0)
        refusals += disk.refused > 0
        assert find_damage(Run(folder)) == ()
        render_with(plan, folder)
        assert (folder / "run.json").read_bytes() == (whole / "run.json").read_bytes()
        assert (folder / "film.mp4").read_bytes() == (whole / "film.mp4").read_bytes()
        if not disk.refused:
            break
    assert refusals == k > 30


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A separate file system in memory, `size` large; only root can mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can mount a small disk")
@pytest.mark.fault
def test_really_full_disk_stops_the_film_until_space_is_freed(tmp_path: Path) -> None:
    plan, whole, ends = plan_of(*(shot(f"s{number}") for number in range(4))), tmp_path / "whole", []
    render_with(plan, whole)
    with small_disk(tmp_path / "small", "256k") as place:
        ballast = place / "ballast"
        for pages in range(4, 64, 6):  # what is left free decides which operation meets the end of the disk
            ballast.write_bytes(bytes((64 - pages) * 4096 - 8192))
            fault = fault_of(plan, place / "film.run", Disk())
            ends.append(fault.code if fault else "whole")
            assert find_damage(Run(place / "film.run")) == ()
            ballast.unlink()
            render_with(plan, place / "film.run")
            for file in ("run.json", "film.mp4"):
                assert (place / "film.run" / file).read_bytes() == (whole / file).read_bytes()
            shutil.rmtree(place / "film.run")
    assert ends[0] == "R405"
    assert set(ends) == {"R405", "whole"}


def test_clip_that_does_not_fit_is_reported_as_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_clip(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("onestory_cli.media.video.write_clip", write_clip)
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), tmp_path)
    assert caught.value.code == "R405"
    assert not list(tmp_path.glob(".staging-*"))


def test_other_disk_errors_keep_their_message(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), tmp_path, disk=FailingDisk(9, errno.EIO))
    assert (caught.value.code, caught.value.exit) == ("R408", ExitCode.MACHINE)
    assert "Input/output error" in caught.value.message


def test_read_only_run_is_refused_unchanged(memory_folder: Path) -> None:
    folder = memory_folder / "film.run"
    folder.mkdir()
    memory_folder.chmod(0o755)
    folder.chmod(0o555)
    with as_nobody(), pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), folder)
    assert (caught.value.code, caught.value.exit) == ("R407", ExitCode.MACHINE)
    assert "Permission denied" in caught.value.message
    assert list(folder.iterdir()) == []


def test_run_in_a_read_only_folder_is_refused(memory_folder: Path) -> None:
    memory_folder.chmod(0o555)
    with as_nobody(), pytest.raises(OnestoryError) as caught:
        Run.create(memory_folder / "film.run")
    assert caught.value.code == "R407"


def test_folder_with_other_files_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(OnestoryError) as caught:
        Run.create(tmp_path)
    assert (caught.value.code, caught.value.exit) == ("R409", ExitCode.USAGE)
    assert '"holiday.jpg"' in caught.value.message


@pytest.mark.parametrize("name", ["film.signed.mp4", ".DS_Store", "poster.png"])
def test_run_without_state_resumes_next_to_other_files(tmp_path: Path, name: str) -> None:
    render_with(three_shots(), tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "run.json").unlink()  # as R404 says
    assert render_with(three_shots(), tmp_path).made == []
    assert (tmp_path / name).read_bytes() == b"mine"


def test_folder_named_shots_is_not_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "shots" / "beach").mkdir(parents=True)
    (tmp_path / "shots" / "beach" / "IMG_1.mov").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("Film them again.")
    with pytest.raises(OnestoryError) as caught:
        Run.create(tmp_path)
    assert caught.value.code == "R409"


def test_file_is_not_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "film.run").write_bytes(b"")
    with pytest.raises(OnestoryError):
        Run.create(tmp_path / "film.run")


@pytest.mark.parametrize("there", [True, False])
def test_only_what_was_rendered_can_be_opened(tmp_path: Path, there: bool) -> None:
    folder = tmp_path if there else tmp_path / "film.run"
    with pytest.raises(OnestoryError) as caught:
        Run.open(folder)
    assert caught.value.code == "R402"


def test_a_run_of_a_newer_format_is_not_touched(tmp_path: Path) -> None:
    render_with(three_shots(), tmp_path)
    state = Run.open(tmp_path).state()
    assert isinstance(state, RunState)
    newer = dump_checksummed({"format": 2, "what": "ever"})
    (tmp_path / "run.json").write_bytes(newer)
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), tmp_path)
    assert caught.value.code == "R403"
    assert (tmp_path / "run.json").read_bytes() == newer


def test_a_picture_that_changes_between_plan_and_render_is_refused(tmp_path: Path) -> None:
    (tmp_path / "start.png").write_bytes(b"one")
    plan = plan_of(shot("opening", image="start.png"), folder=tmp_path)
    (tmp_path / "start.png").write_bytes(b"two")
    with pytest.raises(OnestoryError) as caught:
        render_with(plan, tmp_path / "film.run")
    assert caught.value.code == "S216"


def test_takes_of_removed_shots_are_kept_but_not_accepted(tmp_path: Path) -> None:
    plan = three_shots()
    render_with(plan, tmp_path)
    render_with(plan_of(*plan.story.shots[:2]), tmp_path)
    run = Run.open(tmp_path)
    assert set(run.state().shots) == {"opening", "city"}  # type: ignore[union-attr]
    assert set(run.takes_by_shot()) == {"opening", "city", "return"}
    assert render_with(replace(plan), tmp_path).made == []
