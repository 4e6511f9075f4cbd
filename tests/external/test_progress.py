"""Messages of the web socket, and what a render shows of them."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from onestory_cli import events
from onestory_cli.console.progress import RenderBars
from onestory_cli.external import web_socket
from onestory_cli.external.job import RunControl, decode_picture
from onestory_cli.external.progress import PromptMessage, PromptProgress, parse_message
from onestory_cli.models.workflow import read_workflow
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.store.run import Run
from tests.external.conftest import plan_of, write_workflow
from tests.external.server import WORKFLOW, FakeComfyUi, message

METADATA = json.dumps({"node_id": "3", "prompt_id": "id"}).encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (message("executing", node="3", prompt_id="id"), PromptMessage(node="3")),
        (message("executing", node=None, prompt_id="id"), PromptMessage(ended=True)),
        (message("progress", node="3", value=2, max=20, prompt_id="id"), PromptMessage(node="3", step=2, steps=20)),
        (message("progress", value=2, max=20), PromptMessage(step=2, steps=20)),  # of an old server
        (struct.pack(">II", 1, 1) + b"jpeg", PromptMessage(picture=b"jpeg")),
        (struct.pack(">II", 4, len(METADATA)) + METADATA + b"jpeg", PromptMessage(node="3", picture=b"jpeg")),
        (message("executing", node=None, prompt_id="another"), None),
        (message("status", status={}), None),
        (struct.pack(">II", 3, 1) + b"text", None),
        (b"", None),
        (struct.pack(">II", 4, 9999) + b"{", None),
        ("not JSON", None),
        ("[1]", None),
        ('{"type": "progress", "data": {"value": "x", "max": null}}', None),
    ],
)
def test_messages_are_parsed(raw: str | bytes, expected: PromptMessage | None) -> None:
    assert parse_message(raw, "id") == expected


@dataclass
class Watched:
    """The steps and nodes that a `RunControl` got."""

    steps: list[tuple[int, int]] = field(default_factory=list)
    nodes: list[tuple[str, int, int]] = field(default_factory=list)

    def control(self, steps: int) -> RunControl:
        return RunControl(
            on_step=lambda *step: self.steps.append(step), on_node=lambda *node: self.nodes.append(node), steps=steps
        )


def sampler(title: str = "") -> dict[str, Any]:
    return {"class_type": "KSamplerAdvanced", "inputs": {}, "_meta": {"title": title}}


def test_the_steps_of_two_samplers_are_added(tmp_path: Path) -> None:
    nodes = {
        **WORKFLOW,
        "8": sampler("High noise"),
        "9": sampler(),
        "10": {"class_type": "VAEDecodeTiled", "inputs": {}},
    }
    watched = Watched()
    progress = PromptProgress(read_workflow(write_workflow(tmp_path / "shots.json", nodes)), watched.control(4))
    for node, step, steps in (
        ("8", 0, 0),
        ("8", 1, 2),
        ("8", 2, 2),
        ("9", 1, 2),
        ("9", 2, 2),
        ("10", 5, 9),
        ("77", 0, 0),
    ):
        progress(PromptMessage(node=node, step=step, steps=steps))
    assert watched.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert watched.nodes[1] == ("High noise", 1, 2)
    assert watched.nodes[-3:] == [("KSamplerAdvanced", 2, 2), ("VAEDecodeTiled", 5, 9), ("node 77", 0, 0)]


def first_shot(story: Path) -> tuple[list[events.Event], list[tuple[str, int, int, tuple[int, ...]]]]:
    """Render one shot; returns its events, and its previews before the last step."""
    story.write_text("\n".join(story.read_text().splitlines()[:7]))
    plan, run = plan_of(story), Run.create(story.with_name("film.run"))
    emitted: list[events.Event] = []
    previews: list[tuple[str, int, int, tuple[int, ...]]] = []
    options = RenderOptions(preview=lambda *item: previews.append((*item[:3], item[3].shape)))
    render(plan, run, generator_loader(plan, "cpu", emitted.append), emitted.append, options)
    assert previews[-1][1:3] == (2, 2)  # the finished shot
    return emitted, [item for item in previews if item[1] < item[2]]


def test_the_web_socket_gives_nodes_steps_and_previews(story: Path, server: FakeComfyUi) -> None:
    server.seconds = 0.1
    emitted, previews = first_shot(story)
    nodes = [(event.node, event.step, event.steps) for event in emitted if isinstance(event, events.NodeStep)]
    assert nodes == [("Text", 0, 0), ("Sampler", 0, 0), ("Sampler", 1, 2), ("Sampler", 2, 2)]
    assert [(event.step, event.steps) for event in emitted if isinstance(event, events.StepDone)] == [(1, 2), (2, 2)]
    assert previews == [("opening", 1, 2, (16, 32, 3))]
    assert "NodeStep" not in story.with_name("film.run").joinpath("events.jsonl").read_text()


@pytest.mark.parametrize("cause", ["not installed", "refused"])
def test_without_the_web_socket_the_server_is_asked_again(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    server.seconds, server.has_socket = 0.1, False
    if cause == "not installed":
        monkeypatch.setattr(web_socket, "has_web_socket", lambda: False)
    emitted, previews = first_shot(story)
    assert [(event.step, event.steps) for event in emitted if isinstance(event, events.StepDone)] == [(2, 2)]
    assert previews == []


def test_a_web_socket_that_does_not_follow_redirects(server: FakeComfyUi) -> None:
    server.redirect = "http://192.0.2.1/ws"
    with web_socket.open_waiter(server.address, "id") as waiter:
        assert isinstance(waiter, web_socket.PollingWaiter)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a"])
def test_a_preview_that_cannot_be_read_is_skipped(data: bytes) -> None:
    assert decode_picture(data) is None


def test_the_terminal_shows_the_node() -> None:
    from rich.console import Console

    bars = RenderBars()
    for event in (
        events.RunStarted(run="r", title="t", model="m", shots=1, kept=0),
        events.ShotStarted(shot="city", index=0, shots=1, reason="new", steps=1),
        events.StepDone(shot="city", step=3, steps=20, seconds=1.0),
        events.NodeStep(shot="city", node="High noise", step=3, steps=20),
    ):
        bars(event)
    console = Console(width=60, force_terminal=True, color_system="truecolor", legacy_windows=False)
    with console.capture() as capture:
        console.print(bars)
    shown = capture.get()
    assert "step 3/20" in shown
    assert "High noise, step 3/20" in shown
