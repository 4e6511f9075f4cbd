"""A server on this machine, and stories whose model is its workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan
from tests.external.server import CARD, WORKFLOW, FakeComfyUi

STORY = """\
story: 1
title: Six shots
model: {{workflow: shots.json, server: "{server}"}}
characters:
  fox: {{look: a red fox, image: fox.png}}
shots:
  - {{id: opening, caption: $fox walks.}}
  - {{id: city, caption: A city at night.}}
  - {{id: road, caption: A long road.}}
  - {{id: start, caption: $fox starts., image: fox.png}}
  - {{id: dream, caption: A dream., memory: {{policy: storymem}}}}
  - {{id: return, caption: $fox waves., memory: {{from: [opening]}}}}
"""


@pytest.fixture
def server() -> Iterator[FakeComfyUi]:
    found = FakeComfyUi().start()
    yield found
    found.stop()


@pytest.fixture
def story(tmp_path: Path, server: FakeComfyUi) -> Path:
    """A six-shot story with a workflow, its card and the picture of the fox."""
    from PIL import Image

    write_workflow(tmp_path / "shots.json")
    Image.new("RGB", (64, 64), (250, 120, 10)).save(tmp_path / "fox.png")
    path = tmp_path / "film.story.yaml"
    path.write_text(STORY.format(server=server.address))
    return path


def write_workflow(path: Path, nodes: dict[str, Any] | None = None, card: dict[str, Any] | None = None) -> Path:
    path.write_text(json.dumps(nodes or WORKFLOW))
    path.with_suffix(".onestory.json").write_text(json.dumps({**CARD, **(card or {})}))
    return path


def plan_of(story: Path) -> Plan:
    return compile_story(story)[0]
