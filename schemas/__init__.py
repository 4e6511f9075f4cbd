"""The JSON Schemas of onestory's files, as data in the wheel: `text` for printing, `load` for checking."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

STORY = "story.v1"


def text(name: str = STORY) -> str:
    """The schema `<name>.schema.json` as it is written."""
    return files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")


def load(name: str = STORY) -> dict[str, Any]:
    """The schema `<name>.schema.json` as values."""
    schema: dict[str, Any] = json.loads(text(name))
    return schema
