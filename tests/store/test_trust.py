"""Faults of the machine: files that cannot be read for a moment, moved runs, full and dying disks, overlayfs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event
from onestory_cli.planning.jobs import Plan
from onestory_cli.store import prune
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked
from onestory_cli.store.run import Run
from onestory_cli.store.takes import set_aside_takes
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import lock_run
from tests.films import change, latents_of, render_with, three_shots
from tests.shared import build_once

ROOT_ON_LINUX = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount")
FILES = ("clip.mp4", "latents.safetensors", "record.json")


@pytest.fixture
def plan() -> Plan:
    return three_shots()


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Path:
    rendered = build_once(tmp_path_factory, "three-shots", lambda path: render_with(plan, path))
    return shutil.copytree(rendered, tmp_path / "film.run")


@contextmanager
def unreadable(monkeypatch: pytest.MonkeyPatch, victim: Path, number: int) -> Iterator[None]:
    """Let the system refuse to open one file, as a network disk does for a moment."""
    real_open, real_path_open = os.open, Path.open

    def refuse(path: Any) -> None:
        if os.fspath(path) == str(victim):
            raise OSError(number, os.strerror(number), str(path))

    def fake_open(path: Any, *arguments: Any, **options: Any) -> int:
        refuse(path)
        return real_open(path, *arguments, **options)

    def fake_path_open(self: Path, *arguments: Any, **options: Any) -> Any:
        refuse(self)
        return real_path_open(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fake_open)
        patch.setattr(Path, "open", fake_path_open)
        yield


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("shots/*/*/*")}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", FILES)
def test_a_take_that_cannot_be_read_stops_the_command_and_is_kept(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    (victim,) = folder.glob(f"shots/city/*/{name}")
    before = all_bytes(folder)
    with unreadable(monkeypatch, victim, number):
        with pytest.raises(OnestoryError) as caught:
            render_with(plan, folder)
        with pytest.raises(OnestoryError):
            find_damage(Run(folder))
    assert (caught.value.code, caught.value.exit) == ("R408", ExitCode.MACHINE)
    assert str(victim) in caught.value.message
    assert all_bytes(folder) == before
    assert render_with(plan, folder).made == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_state_that_cannot_be_read_is_not_damaged(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with unreadable(monkeypatch, folder / "run.json", number), pytest.raises(OnestoryError) as caught:
        Run(folder).state()
    assert caught.value.code == "R408"


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_take_is_set_aside_and_never_deleted(plan: Plan, folder: Path, name: str) -> None:
    (victim,) = folder.glob(f"shots/city/*/{name}")
    for number in (1, 2):
        victim.write_bytes(f"damage {number}".encode())
        assert render_with(plan, folder).made == ["city"]
    first, second = set_aside_takes(folder)
    key = victim.parent.name
    assert (first.name, second.name) == (f".damaged-{key}", f".damaged-{key}-2")
    assert [(path / name).read_bytes() for path in (first, second)] == [b"damage 1", b"damage 2"]
    assert find_damage(Run(folder)) == ()
    assert render_with(plan, folder).made == []


def test_prune_removes_damaged_takes_only_when_asked(plan: Plan, folder: Path) -> None:
    (victim,) = folder.glob("shots/city/*/clip.mp4")
    victim.write_bytes(b"damage")
    render_with(plan, folder)
    run = Run(folder)
    with lock_run(run) as writer:
        prune.remove(writer, prune.unused(plan, run))
        prune.remove(writer, prune.older_takes(run, 0))
        assert len(set_aside_takes(folder)) == 1
        prune.remove(writer, prune.set_aside(run))
    assert set_aside_takes(folder) == ()
    assert render_with(plan, folder).made == []


def test_a_folder_that_cannot_be_renamed_is_copied(plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower = {str(path) for path in folder.rglob("*") if path.is_dir()}
    replace = os.replace

    def overlay_replace(old: Any, new: Any) -> None:
        if str(old) in lower:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(old))
        replace(old, new)

    monkeypatch.setattr(os, "replace", overlay_replace)
    latents = latents_of(folder)
    assert render_with(plan, folder, force=["city"]).made == ["city"]
    assert latents_of(folder) == latents
    assert find_damage(Run(folder)) == ()
    assert [path.name for path in folder.rglob(".*")] == []


@ROOT_ON_LINUX
def test_a_run_in_a_lower_layer_of_overlayfs(plan: Plan, folder: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs", "tmpfs", "size=40m") as disk:
        for name in ("lower", "upper", "work", "merged"):
            (disk / name).mkdir()
        shutil.copytree(folder, disk / "lower" / "film.run")
        options = f"lowerdir={disk}/lower,upperdir={disk}/upper,workdir={disk}/work"
        with mounted(disk / "merged", "overlay", "overlay", options) as merged:
            assert render_with(plan, merged / "film.run", force=["city"]).made == ["city"]
            edited = change(plan, "return", resolved_caption="other words")
            assert render_with(edited, merged / "film.run").made == ["return"]
            run = Run(merged / "film.run")
            with lock_run(run) as writer:
                prune.remove(writer, prune.unused(edited, run))
            assert [len(run.takes_by_shot()[shot].takes) for shot in ("opening", "city", "return")] == [1, 1, 1]
            assert find_damage(run) == ()


@contextmanager
def mounted(folder: Path, kind: str, device: str, options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", kind, "-o", options, device, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount {kind}: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Write files until the disk has neither space nor inodes left."""
    for number in count():
        (disk / f"fill{number}").write_bytes(b"1" * 4096 if number % 8 else b"")


@ROOT_ON_LINUX
def test_prune_works_on_a_full_disk(plan: Plan, folder: Path, tmp_path: Path) -> None:
    edited = change(plan, "return", resolved_caption="other words")
    render_with(edited, folder)
    with mounted(tmp_path / "disk", "tmpfs", "tmpfs", "size=1m,nr_inodes=200") as disk:
        shutil.copytree(folder, disk / "film.run")
        with pytest.raises(OSError, match="No space left"):
            fill(disk)
        run = Run(disk / "film.run")
        with lock_run(run) as writer:
            found = prune.unused(edited, run)
            assert len(found.takes) == 1
            prune.remove(writer, found)
        assert find_damage(run) == ()
        with pytest.raises(OnestoryError, match="is writing to"), lock_run(run), lock_run(run):
            pass


class DyingDisk(Disk):
    """Fails for good from the k-th change, removals included, as a disk that is unplugged."""

    def __init__(self, left: int) -> None:
        self.left = left

    def step(self, operation: str, path: Path) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


@pytest.mark.fault
def test_a_disk_that_dies_ends_in_its_code(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))

    for left in range(0, 60, 4):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", unlink)
            with pytest.raises(OnestoryError) as caught:
                render_with(plan, tmp_path / f"{left}.run", disk=DyingDisk(left))
        assert caught.value.code == "R408", left
        if (tmp_path / f"{left}.run").exists():
            render_with(plan, tmp_path / f"{left}.run")


@pytest.mark.parametrize("victim", ["", "lock"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_run_that_is_moved_or_deleted_stops_its_writer(
    plan: Plan, tmp_path: Path, victim: str, deleted: bool
) -> None:
    folder, moved = tmp_path / "film.run", tmp_path / "moved"
    (tmp_path / "film.run").mkdir()

    def move(event: Event) -> None:
        if isinstance(event, events.StepDone) and (event.shot, event.step) == ("return", 1):
            (folder / victim).rename(moved)
            if deleted and moved.is_dir():
                shutil.rmtree(moved)

    with pytest.raises(OnestoryError) as caught:
        render_with(plan, folder, move)
    assert (caught.value.code, caught.value.exit) == ("R421", ExitCode.PARTIAL)
    assert folder.exists() == (victim != "")
    if not victim and not deleted:
        (moved / "lock").unlink(missing_ok=True)
        assert "opening" not in render_with(plan, moved).made


def test_a_lock_of_another_writer_is_never_removed(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "film.run"
    stolen = json.dumps({"pid": 1, "host": "elsewhere", "start": 1.0})

    def steal(event: Event) -> None:
        if isinstance(event, events.StepDone):
            (folder / "lock").unlink()
            (folder / "lock").write_text(stolen)

    with pytest.raises(OnestoryError):
        render_with(plan, folder, steal)
    assert (folder / "lock").read_text() == stolen


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"pid": 1, "host": "x\\n::error::pwn", "start": 1.0}', '{"pid": [], "host": 1, "start": 1}'],
)
def test_a_forged_lock_is_neither_shown_nor_fatal(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with locked(tmp_path / "lock", Disk()):
        pass


@pytest.mark.parametrize("name", ["run.json", "story.yaml", "film.mp4", "events.jsonl", "lock"])
def test_a_fifo_never_blocks(plan: Plan, folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    find_damage(Run(folder))
    if name in ("events.jsonl", "lock"):
        with pytest.raises(OnestoryError, match=name):
            render_with(plan, folder)
    else:
        assert render_with(plan, folder).made == []


def test_a_clip_that_changes_while_the_film_is_joined_is_refused(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onestory_cli.media import mux

    (victim,) = folder.glob("shots/city/*/clip.mp4")
    (other,) = folder.glob("shots/return/*/clip.mp4")
    whole, write = victim.read_bytes(), mux._write

    def swapped(*arguments: Any) -> None:
        victim.write_bytes(other.read_bytes())
        try:
            write(*arguments)
        finally:
            victim.write_bytes(whole)

    (folder / "film.mp4").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(mux, "_write", swapped)
        with pytest.raises(OnestoryError) as caught:
            render_with(plan, folder)
    assert caught.value.code == "R406"
    assert not (folder / "film.mp4").exists()
    assert render_with(plan, folder).made == []
