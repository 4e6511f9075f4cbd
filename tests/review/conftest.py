"""A review of a film made by arithmetic, served on a free port by a thread of this process."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from onestory_cli.planning.compile import compile_story
from onestory_cli.review.serve import NotifyingServer
from onestory_cli.review.server import ReviewServer
from onestory_cli.review.session import ReviewSession
from tests.commands.conftest import Onestory, film_run, onestory, story
from tests.films import NumpyGenerator, render_with
from tests.shared import build_once

__all__ = ["Onestory", "film_run", "onestory", "story"]  # fixtures

TOKEN = "the-secret-of-this-test"


def loader(plan: Any, device: str, emit: Any) -> Any:
    return lambda: NumpyGenerator(plan.model)


@dataclass
class Client:
    """Requests as a page of the server sends them, unless a header says otherwise."""

    server: ReviewServer

    def get(self, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        return self.request("GET", f"/{TOKEN}/{path}", **headers)

    def post(self, path: str, document: Any, **headers: str) -> tuple[int, Any]:
        own = {"Origin": f"http://127.0.0.1:{self.server.port}", "Content-Type": "application/json"}
        status, body, _ = self.request("POST", f"/{TOKEN}/{path}", json.dumps(document), **{**own, **headers})
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()

    def request(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        given = {name: value for name, value in headers.items() if value}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        found = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return found


@pytest.fixture
def takes_run(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three takes of `city`."""
    shutil.copytree(build_once(tmp_path_factory, "takes-run", _render_takes), "film.run")
    return Path("film.run")


def _render_takes(folder: Path) -> None:
    plan, _ = compile_story(Path("film.story.yaml"))
    render_with(plan, folder, takes={"city": 3})


@pytest.fixture
def session(takes_run: Path, story: Path) -> ReviewSession:
    return ReviewSession(takes_run, story)


@pytest.fixture
def client(session: ReviewSession) -> Iterator[Client]:
    with served(ReviewServer(session, token=TOKEN, loader=loader)) as found:
        yield found


class served:
    """Serve a review in a thread for the length of a block."""

    def __init__(self, server: ReviewServer) -> None:
        self._server, self._ready = server, threading.Event()

    def __enter__(self) -> Client:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server.port = self._socket.getsockname()[1]
        config = uvicorn.Config(self._server.app(), log_level="error", timeout_graceful_shutdown=0)
        self._uvicorn = NotifyingServer(config, self._ready.set)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._uvicorn.serve(sockets=[self._socket])))
        self._thread.start()
        assert self._ready.wait(30)
        return Client(self._server)

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(30)
        self._socket.close()
