"""A real HTTP server on the loopback address plays the OpenAI-compatible endpoint."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onestory_cli.curation.captioners import ShotView, read_prompts
from onestory_cli.curation.endpoint_captions import EndpointCaptioner
from onestory_cli.curation.recipe import CaptionSettings
from onestory_cli.errors import OnestoryError

GOOD = {
    "choices": [{"message": {"content": " A fox\n waves. "}}],
    "usage": {"prompt_tokens": 700, "completion_tokens": 9},
}


class Server(ThreadingHTTPServer):
    """Answers from a list of (status, document); notes each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[dict[str, str], Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), json.loads(body)))
        status, document = self.server.answers.pop(0)
        text = json.dumps(document).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def captioner(server: Server) -> EndpointCaptioner:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    made = EndpointCaptioner.connect(url, "eye", read_prompts(CaptionSettings(), Path()))
    return replace(made, pause=0.0)


def shot(frames: int) -> ShotView:
    picture = np.full((40, 60, 3), 200, np.uint8)
    return ShotView(video=Path("film.mp4"), start=0, end=1, frames=[picture] * frames)


def test_frames_go_as_jpeg_and_the_answer_is_one_line(
    server: Server, captioner: EndpointCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONESTORY_CAPTION_KEY", "secret")
    server.answers = [(200, GOOD), (200, GOOD)]
    assert captioner.caption(shot(2)) == "A fox waves."
    captioner.rewrite(shot(1), "A fox waves.", shot(3), ["A fox walks."])
    (headers, first), (_, second) = server.requests
    assert headers["Authorization"] == "Bearer secret"
    assert (first["model"], first["temperature"]) == ("eye", 0)
    pictures = [part["image_url"]["url"] for part in second["messages"][0]["content"][1:]]
    assert len(pictures) == 4
    data = base64.b64decode(pictures[0].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (60, 40)
    assert "1. A fox walks." in second["messages"][0]["content"][0]["text"]
    assert (captioner.usage.prompt, captioner.usage.completion) == (1400, 18)


def test_a_busy_server_is_asked_again(server: Server, captioner: EndpointCaptioner) -> None:
    server.answers = [(429, {}), (503, {}), (200, GOOD)]
    assert captioner.caption(shot(1)) == "A fox waves."


@pytest.mark.parametrize(("answer", "asked"), [((401, {}), 1), ((302, {}), 1), ((500, {}), 5), ((200, {"x": 1}), 1)])
def test_faults_have_a_code(server: Server, captioner: EndpointCaptioner, answer: tuple[int, Any], asked: int) -> None:
    server.answers = [answer] * asked
    with pytest.raises(OnestoryError) as fault:
        captioner.caption(shot(1))
    assert (fault.value.code, len(server.requests)) == ("T654", asked)


@pytest.mark.parametrize(("url", "model"), [("ftp://x", "eye"), ("http://x", "")])
def test_an_endpoint_needs_an_address_and_a_model(url: str, model: str) -> None:
    with pytest.raises(OnestoryError, match=r"not an http address|needs a model"):
        EndpointCaptioner.connect(url, model, read_prompts(CaptionSettings(), Path()))
