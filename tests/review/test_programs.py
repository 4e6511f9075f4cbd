"""`review` and `watch` as programs of their own, ended by a signal."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onestory_cli.store.run import Run

pytestmark = pytest.mark.slow


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "onestory_cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
    limit = threading.Timer(60, process.kill)  # ends a wait for a line that does not come
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
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


ONE_SHOT = """\
story: 1
title: One
defaults: {steps: 1, frames: 5}
shots: [{id: beach, caption: A beach.}]
"""


def test_watch_renders_a_save_and_leaves_a_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    story = tmp_path / "film.story.yaml"
    story.write_text(ONE_SHOT)
    with program("watch", "film.story.yaml") as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        assert any("beach: rendered" in line for line in lines)
        draft = tmp_path / ".film.story.yaml.swp"
        draft.write_text(ONE_SHOT.replace("A beach.", "A desert."))
        os.replace(draft, story)
        assert any("beach: rendered" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    with program("verify", "film.run") as process:
        assert process.wait(timeout=60) == 0
    state = Run.open(tmp_path / "film.run").state()
    assert state is not None
    assert state.film is not None


def test_watch_sees_a_save_that_follows_a_check_at_once(story: Path) -> None:
    text = story.read_text()
    with program("watch", "film.story.yaml") as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        assert any("3 shots stale" in line for line in lines)
        story.write_text(text.replace("$fox waves", "$fux waves"))  # the folder may not be watched yet
        assert any("S104" in line for line in lines)
        assert any("still watching" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
