"""Run a command for each shot: a job file in JSON goes in, a video or a picture per frame comes out."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.external.job import MAX_SHOT_SECONDS, ExternalJob, OnStep, RunControl
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.utils.system import stop_process

JOB_VERSION = 1
JOB, OUTPUT = "job.json", "output"
GRACE_SECONDS = 5.0  # between the request to stop and the kill
_POLL_SECONDS = 0.05
_MAX_LINE = 2000
_KEPT_LINES = 5


class CommandRunner:
    """Runs a command in a folder, once per shot."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command, self._folder = tuple(command), folder

    def run(self, job: ExternalJob, folder: Path, control: RunControl) -> list[Path]:
        """Generate a shot; see `Runner`."""
        path = _write_job(job, folder)
        places = {"{job}": str(path), "{output}": str(folder / OUTPUT)}
        command = [_filled(item, places) for item in self._command]
        try:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that what it starts is stopped with it
            )
        except (OSError, ValueError) as fault:
            raise _failed(job.shot, f'cannot start "{shorten(command[0])}": {fault}') from fault
        with process:
            errors = _watch(process, control.on_step)
            try:
                status = _wait(process, control)
            except BaseException:
                stop_process(process, GRACE_SECONDS)
                raise
        if status:
            raise _failed(
                job.shot, f"the command ended with {status}: {shorten(' '.join(errors), 300) or 'no message'}"
            )
        return sorted(file for file in (folder / OUTPUT).iterdir() if file.is_file())

    def environment(self) -> Mapping[str, Any]:
        return {"device": "command", "command": shorten(" ".join(self._command), 200)}


def _write_job(job: ExternalJob, folder: Path) -> Path:
    """Write the job file and its pictures."""
    path = folder / JOB
    with os_errors_coded(path):
        (folder / OUTPUT).mkdir()
        names = {}
        for name, png in job.pictures.items():
            names[name] = str(folder / f"{name}.png")
            Path(names[name]).write_bytes(png)
        document = {
            "version": JOB_VERSION,
            "shot": job.shot,
            **job.values,
            "first_frame": names.get("first_frame"),
            "references": [file for name, file in names.items() if name != "first_frame"],
            "output": str(folder / OUTPUT),
        }
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def _filled(item: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        item = item.replace(name, value)
    return item


def _watch(process: subprocess.Popen[bytes], on_step: OnStep) -> deque[str]:
    """Read both outputs of a process in threads; returns its last lines of stderr, which grow while it runs."""
    errors: deque[str] = deque(maxlen=_KEPT_LINES)

    def read(stream: IO[bytes] | None, take: Any) -> None:
        while stream and (line := stream.readline(_MAX_LINE)):
            take(line.decode("utf-8", "replace").strip())

    for stream, take in ((process.stdout, lambda line: _progress(line, on_step)), (process.stderr, errors.append)):
        threading.Thread(target=read, args=(stream, take), daemon=True).start()
    return errors


def _progress(line: str, on_step: OnStep) -> None:
    """Report a line such as {"step": 3, "steps": 20}; other lines are for people."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        document = json.loads(line)
        on_step(int(document["step"]), int(document["steps"]))


def _wait(process: subprocess.Popen[bytes], control: RunControl) -> int:
    """The exit status of a process.

    Raises:
        KeyboardInterrupt: the render is to stop.
    """
    state = Partial(identity="", step=0, steps=control.steps, arrays={})
    for _ in range(int(MAX_SHOT_SECONDS / _POLL_SECONDS)):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_POLL_SECONDS)
        control.pause(state)
    raise _failed("the shot", f"the command has not finished after {MAX_SHOT_SECONDS // 3600} hours")


def _failed(shot: str, why: str) -> OnestoryError:
    return OnestoryError(
        "M554",
        f'"{shot}" was not generated: {why}',
        help="correct the command, see `onestory help command-models`; then rerun onestory. Finished shots are kept",
        exit=ExitCode.PARTIAL,
    )
