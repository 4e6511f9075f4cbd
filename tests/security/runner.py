"""Run command lines, each in a fork of one process without torch: `python -m tests.security.runner`.

stdin has a job per line, {"folder": working directory, "arguments": [...]}. stdout has an answer per line: exit code,
both streams, seconds of processor time, MiB of memory, and every file opened, created, renamed or removed, as Python's
audit events report them.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from onestory_cli import cli, importers, plan  # noqa: F401  (loaded before the fork, so that a job pays for itself alone)
from onestory_cli.console import Console
from onestory_cli.story import load  # noqa: F401

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
FORBIDDEN = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(_forked(job["folder"], job["arguments"])), flush=True)  # noqa: T201


def _forked(folder: str, arguments: list[str]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer = json.dumps(_run(folder, arguments)).encode()
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status, usage = os.wait4(child, 0)
    result: dict[str, Any] = (
        json.loads(answer) if answer else {"exit": status, "out": "", "err": "killed", "events": []}
    )
    return result | {"seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}


def _run(folder: str, arguments: list[str]) -> dict[str, Any]:
    import resource

    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    events: list[list[str]] = []
    sys.addaudithook(lambda event, given: _note(events, event, given))
    out, err = io.StringIO(), io.StringIO()
    code = cli.run(arguments, Console(stdout=out, stderr=err, color=False))
    return {"exit": int(code), "out": out.getvalue(), "err": err.getvalue(), "events": list(events)}


def _note(events: list[list[str]], event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(given[0], str | bytes | Path):
        flags = given[2] if isinstance(given[2], int) else 0
        events.append(["write" if flags & WRITING else "read", os.path.abspath(os.fsdecode(given[0]))])
    elif event in ("os.listdir", "os.scandir") and isinstance(given[0], str | Path):
        events.append(["read", os.path.abspath(given[0])])
    elif event in CHANGES:
        events += [["write", os.path.abspath(item)] for item in given[:2] if isinstance(item, str | Path)]
    elif event.startswith(FORBIDDEN):
        events.append(["forbidden", event])


if __name__ == "__main__":
    main()
