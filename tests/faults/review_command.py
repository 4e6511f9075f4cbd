"""`onestory review` as a command line that is attacked: a person rejects, accepts, edits a caption and renders."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.review import serve
from tests.faults.workspace import CommandLine, bytes_of, film_of

SECONDS = 60  # an answer or a render that takes longer is a hang
OLD, NEW = "$fox waves on $beach.", "$fox sits on $beach."
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("note", {"shot": "city", "take": "1", "text": "too dark", "rejected": True}),
    ("accept", {"shot": "city", "take": "2"}),
    ("check", {"shot": "return", "caption": NEW}),
    ("caption", {"shot": "return", "caption": NEW, "before": OLD}),
    ("render", {}),
)


@dataclass(frozen=True, kw_only=True)
class ReviewCommand(CommandLine):
    """A review from its start to Ctrl-C. Each request must be answered, with 200 or with a coded error (409)."""

    def run(self, folder: Path) -> tuple[ExitCode, str]:
        serve.TICK_SECONDS = 0.02  # between two looks for Ctrl-C
        out, err = io.StringIO(), io.StringIO()
        reviewer = Reviewer(out.getvalue)
        thread = threading.Thread(target=reviewer.review, daemon=True)
        thread.start()
        exit = cli.run(self.words.replace("{}", str(folder)).split(), Console(stdout=out, stderr=err, color=False))
        reviewer.ended.set()
        thread.join(SECONDS)
        return (ExitCode.BUG, reviewer.problem) if reviewer.problem else (exit, err.getvalue())

    run_finish = run


class Reviewer:
    """A person at a browser. `problem` describes an answer that the server must not give."""

    def __init__(self, output: Callable[[], str]) -> None:
        self._output = output
        self.ended, self.problem = threading.Event(), ""

    def review(self) -> None:
        """Wait for the address of the page, send all requests, wait for the render, and press Ctrl-C."""
        while "http" not in self._output():
            if self.ended.wait(0.005):
                return
        try:
            self._get("")
            for name, document in REQUESTS:
                self._request("POST", name, json.dumps(document))
            self._wait_for_render()
            self._get("film.mp4")
        except Exception as fault:
            self.problem = self.problem or repr(fault)
        os.kill(os.getpid(), signal.SIGINT)

    def _get(self, path: str) -> None:
        self._request("GET", path)

    def _request(self, method: str, path: str, body: str | None = None) -> None:
        with self._connection() as connection:
            headers = {"Origin": self._origin, "Content-Type": "application/json"}
            connection.request(method, f"{self._page.path}{path}", body, headers)
            answer = connection.getresponse()
            if answer.status not in (200, 404, 409):
                self.problem = f"{method} {path}: {answer.status} {answer.read().decode(errors='replace')}"
            answer.read()

    def _wait_for_render(self) -> None:
        end = time.monotonic() + SECONDS
        while (progress := self._progress())["state"] not in ("idle", "failed") or progress["queued"]:
            if time.monotonic() > end:
                raise TimeoutError(f"the render does not end: {progress}")
            time.sleep(0.02)
        if "bug" in progress["message"]:
            self.problem = f"{progress['message']}: {progress['help']}"

    def _progress(self) -> dict[str, Any]:
        """The first event of the stream of a page."""
        with self._connection() as connection:
            connection.request("GET", f"{self._page.path}events", headers={"Origin": self._origin})
            answer = connection.getresponse()
            answer.readline()
            found: dict[str, Any] = json.loads(answer.readline().removeprefix(b"data: "))
            return found

    def _connection(self) -> closing[HTTPConnection]:
        return closing(HTTPConnection(self._page.hostname or "", self._page.port, timeout=SECONDS))

    @property
    def _page(self) -> Any:
        return urlsplit(self._output().split()[0])

    @property
    def _origin(self) -> str:
        return f"http://{self._page.netloc}"


def _result(folder: Path) -> Any:
    """The film, the story and the note."""
    return film_of("film.run")(folder), bytes_of("film.story.yaml", "film.run/notes.json")(folder)


REVIEW = ReviewCommand(
    name="review",
    words="review {}/film.story.yaml",
    result=_result,
)
