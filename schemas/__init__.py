"""The JSON Schemas of onestory's files and documents, in the wheel: `text` for printing, `load` for checking."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from schemas.documents import DOCUMENTS, document_schema
from schemas.events import NAME as EVENTS
from schemas.events import events_schema

STORY = "story.v1"
FILES = ("story", "shots", "inspect-memory", "batch")
NAMES = (*FILES, EVENTS, *DOCUMENTS)


def text(name: str = STORY) -> str:
    """The schema `<name>.schema.json` as it is written, or the one of a document of the table or of events."""
    document = name.removesuffix(".v1")
    if document in DOCUMENTS:
        return json.dumps(document_schema(document), indent=2) + "\n"
    if document == EVENTS:
        return json.dumps(events_schema(), indent=2) + "\n"
    return files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")


def load(name: str = STORY) -> dict[str, Any]:
    """The same as values."""
    schema: dict[str, Any] = json.loads(text(name))
    return schema
