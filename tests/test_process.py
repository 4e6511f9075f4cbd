"""Signals, closed pipes and full disks, as a whole process sees them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.programs import environment_with, folder, slow

__all__ = ["folder"]


SLOW = """
import time
from dataclasses import replace
from onestory_cli.rendering import loading
from tests.films import NumpyGenerator

class Slow(NumpyGenerator):
    def generate(self, request):
        def slowly(event):
            request.emit(event)
            if request.job.shot == "city":
                print(type(event).__name__, flush=True)
                time.sleep(SECONDS)

        return super().generate(replace(request, emit=slowly))

loading.model_loader = lambda spec, device, emit, shared: lambda: Slow(spec)
"""


@contextmanager
def slow_render(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A render whose second shot prints each event and sleeps. Its first step has just finished."""
    code = f"SECONDS = {seconds}\n{SLOW}\nfrom onestory_cli.cli import main\nmain()"
    command = [sys.executable, "-c", code, "render", "film.story.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment_with(), **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "Remembered\n"
        yield process


@pytest.mark.parametrize(
    ("number", "exit"), [slow(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_first_signal_stops_within_a_step_and_keeps_the_work(
    folder: Path, number: signal.Signals, exit: ExitCode
) -> None:
    with slow_render(0.5) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exit
    assert "stopping after this step; press Ctrl-C again to stop now\n" in err
    assert "interrupted: 1 of 2 shots are finished and kept, city up to step 1 of 3; continue with\n" in err
    assert err.endswith("  onestory resume film.run\n")
    assert "Traceback" not in err
    assert len(list(folder.glob("film.run/shots/city/*/partial.safetensors"))) == 1


@pytest.mark.parametrize(
    ("number", "exit"), [(signal.SIGINT, ExitCode.INTERRUPTED), slow(signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_second_signal_stops_at_once(folder: Path, number: signal.Signals, exit: ExitCode) -> None:
    with slow_render(120) as process:
        process.send_signal(number)
        for line in process.stderr:  # type: ignore[union-attr]
            if line.startswith("stopping"):
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exit
    assert "interrupted: 1 of 2 shots are finished and kept; continue with\n" in err
    assert "Traceback" not in err
    assert not list(folder.glob("film.run/shots/city/*/partial.safetensors"))


@pytest.mark.parametrize(
    "arguments", [slow("explain"), slow("--help"), "plan film.story.yaml", slow("plan film.story.yaml --json")]
)
def test_a_closed_pipe_ends_a_command_like_sigpipe_does(folder: Path, arguments: str) -> None:
    """The exit code is that of a process which SIGPIPE killed, as `set -o pipefail` expects, and nothing is printed."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "onestory_cli", *arguments.split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_with(),
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")


def shell(line: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run a shell line in which $onestory is the program; `code` runs before `main`."""
    Path("program.py").write_text(f"{code}\nfrom onestory_cli.cli import main\nmain()\n")
    environment = environment_with(onestory=f"{sys.executable} program.py")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, timeout=60)


FULL = "error[U608]: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize(
    "arguments",
    [
        slow("--help"),
        "--version",
        slow("explain"),
        slow("plan film.story.yaml"),
        "plan film.story.yaml --json",
        slow("validate film.story.yaml --json"),
        slow("plan gone.story.yaml --json"),
        slow("schema"),
    ],
)
def test_a_full_disk_behind_stdout_is_reported(folder: Path, arguments: str) -> None:
    done = shell(f"$onestory {arguments} >/dev/full")
    assert done.returncode == ExitCode.MACHINE
    assert FULL in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_stdout_is_reported(folder: Path) -> None:
    done = shell("$onestory plan film.story.yaml >&-")
    assert done.returncode == ExitCode.MACHINE
    assert "error[U608]: cannot write to stdout: it is closed\n" in done.stderr


NUMPY = """
from onestory_cli.rendering import loading
from tests.films import NumpyGenerator
loading.model_loader = lambda spec, device, emit, shared: lambda: NumpyGenerator(spec)
"""


@pytest.mark.parametrize("redirection", ["2>&-", slow("2>/dev/full"), slow("2> >(true)")])
def test_a_render_continues_without_stderr(folder: Path, redirection: str) -> None:
    done = shell(f"$onestory render film.story.yaml {redirection}", NUMPY)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.DONE, "film.run/film.mp4\n", "")
    assert shell("$onestory verify film.run").returncode == ExitCode.DONE


def test_an_error_without_stderr_keeps_its_exit_code(folder: Path) -> None:
    assert shell("$onestory plan gone.story.yaml 2>&-").returncode == ExitCode.FINDINGS
