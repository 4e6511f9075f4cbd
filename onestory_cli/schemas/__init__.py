"""The JSON Schemas of onestory's files and documents: `text` for printing, `load` for validation.

Schemas of files are maintained in `schemas/` at the top of the repository, where users and editors look for them; a
wheel contains them as the data package `onestory_cli.schemas.files`. Schemas of documents and events are generated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onestory_cli.schemas.documents import DOCUMENTS, document_schema
from onestory_cli.schemas.events import NAME as EVENTS
from onestory_cli.schemas.events import events_schema

STORY = "story.v1"
FILES = ("story", "shots", "inspect-memory", "batch")
NAMES = (*FILES, EVENTS, *DOCUMENTS)
_INSTALLED = Path(__file__).parent / "files"
_CHECKOUT = Path(__file__).parents[2] / "schemas"


def text(name: str = STORY) -> str:
    """Return the text of the schema `name`, such as "story.v1", "events.v1" or a document of the table."""
    document = name.removesuffix(".v1")
    if document in DOCUMENTS:
        return json.dumps(document_schema(document), indent=2) + "\n"
    if document == EVENTS:
        return json.dumps(events_schema(), indent=2) + "\n"
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return (folder / f"{name}.schema.json").read_text(encoding="utf-8")


def load(name: str = STORY) -> dict[str, Any]:
    """Return the schema `name` as a dict."""
    schema: dict[str, Any] = json.loads(text(name))
    return schema
