"""The lock of a run directory allows one writer at a time, tested with real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked, remove_stale_lock
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.films import render_with, three_shots

fcntl = pytest.importorskip("fcntl", reason="tests/utils/test_system.py tests the locks of Windows")

HOLD = (
    "import sys, time; from pathlib import Path; from onestory_cli.store.lock import locked; "
    "from onestory_cli.store.disk import Disk\n"
    "with locked(Path(sys.argv[1]), Disk()):\n"
    "    print('held', flush=True); time.sleep(60)\n"
)


@contextmanager
def another_process_holds(lock: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_second_writer_is_refused_with_the_name_of_the_holder(tmp_path: Path) -> None:
    with another_process_holds(tmp_path / "lock") as holder, pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), tmp_path)
    assert (caught.value.code, caught.value.exit) == ("R401", ExitCode.MACHINE)
    assert f"process {holder.pid} of this machine" in caught.value.message
    assert caught.value.help == "wait until it is done, or stop it"


def test_the_lock_of_a_dead_process_of_this_host_is_taken_over(tmp_path: Path) -> None:
    with another_process_holds(tmp_path / "lock") as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert (tmp_path / "lock").exists()
        assert len(render_with(three_shots(), tmp_path).made) == 3


def test_a_lock_of_another_host_is_never_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "start": 0.0}))
    with pytest.raises(OnestoryError, match='process 1 of the machine "elsewhere"') as caught:
        render_with(three_shots(), tmp_path)
    assert f'delete "{lock}"' in caught.value.help
    assert json.loads(lock.read_text())["host"] == "elsewhere"


def test_unsigned_lock_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1')
    with locked(tmp_path / "lock", Disk()):
        pass


def test_lock_names_its_holder_and_is_removed_afterwards(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", Disk()):
        holder = json.loads((tmp_path / "lock").read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
        assert holder["start"] > 1e9
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        lambda path: os.mkfifo(path),
        Path.mkdir,
        lambda path: path.symlink_to("/dev/null"),
        lambda path: path.symlink_to("elsewhere"),
    ],
    ids=["pipe", "folder", "link to a device", "broken link"],
)
def test_a_lock_that_is_not_a_regular_file_is_named_and_kept(tmp_path: Path, place: Callable[[Path], None]) -> None:
    lock = tmp_path / "lock"
    place(lock)
    with pytest.raises(OnestoryError) as caught, locked(lock, Disk()):
        pass
    assert (caught.value.code, caught.value.message) == ("R408", f'"{lock}" is not a regular file')
    assert caught.value.help == "delete it if nothing else uses it, then rerun the command"
    assert os.path.lexists(lock)


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [(errno.ENOLCK, "R420", "--run DIR"), (errno.ENOSYS, "R420", "--run DIR"), (errno.EIO, "R408", "check the disk")],
)
def test_file_system_without_locking_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, says: str
) -> None:
    def refuse(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OnestoryError) as caught, locked(tmp_path / "lock", Disk()):
        pass
    assert (caught.value.code, caught.value.exit) == (code, ExitCode.MACHINE)
    assert says in caught.value.help
    assert os.strerror(number) in caught.value.message
    (tmp_path / "lock").write_text(json.dumps({"pid": 7, "host": "farm-3", "start": 1.0}))
    remove_stale_lock(tmp_path / "lock", pid=7, host="farm-3")
    assert (tmp_path / "lock").exists()


def test_a_run_is_not_locked_twice_by_one_process(tmp_path: Path) -> None:
    with (
        lock_run(Run(tmp_path)),
        pytest.raises(OnestoryError, match=f"process {os.getpid()} "),
        lock_run(Run(tmp_path)),
    ):
        pass


def test_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", Disk()):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", Disk()):
        pass


def test_one_of_many_processes_gets_the_lock_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"pid": 2**22 + 1, "host": socket.gethostname(), "start": 0.0}))
    script = HOLD.replace("time.sleep(60)", "sys.stdin.read()")
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    rivals = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    lost = [rival for rival in rivals if rival.stdout.read(4) == ""]
    assert len(lost) == 3
    for rival in rivals:
        _, errors = rival.communicate()
        assert (rival in lost) == ("is writing to" in errors)


def test_only_the_lock_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    remove_stale_lock(lock, pid=7, host="farm-3")
    lock.write_text(json.dumps({"pid": 7, "host": "farm-3", "start": 1.0}))
    for pid, host in ((8, "farm-3"), (7, "farm-4")):
        remove_stale_lock(lock, pid=pid, host=host)
        assert lock.exists()
    remove_stale_lock(lock, pid=7, host="farm-3")
    assert not lock.exists()


def test_held_lock_is_never_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another_process_holds(lock) as process:
        remove_stale_lock(lock, pid=process.pid, host=socket.gethostname())
        assert lock.exists()
