"""`review` as a program of its own, ended by a signal."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "onestory_cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_review_with_an_open_page_ends_quietly(takes_run: Path, story: Path, number: signal.Signals) -> None:
    with program("review", "film.run") as process:
        assert process.stdout
        address = urlsplit(process.stdout.readline().strip())
        page = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=30)
        page.request("GET", f"{address.path}events")
        assert page.getresponse().readline().startswith(b"event: progress")
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert errors == "press Ctrl-C to end\n"
