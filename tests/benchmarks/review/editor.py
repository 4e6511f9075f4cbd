"""The language server: from a key in a story of 300 shots to its findings."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lsprotocol import types as lsp

from tests.benchmarks.review.figure import Figure, seconds
from tests.benchmarks.review.films import story_text
from tests.lsp.test_server import Editor, edit

KEYS = 20


def keys(folder: Path) -> list[Figure]:
    """Type letters into the caption of a shot in the middle; each is answered before the next."""
    text = story_text("A Long Film", 300)
    times: list[float] = []

    async def act(editor: Editor, uri: str) -> None:
        await editor.findings()
        line = text[: text.index("shot-150")].count("\n")
        column = text.splitlines()[line].index("Wide shot")
        for number in range(KEYS):
            place = lsp.Position(line=line, character=column + number)
            change = lsp.TextDocumentContentChangePartial(range=lsp.Range(start=place, end=place), text="x")
            version = lsp.VersionedTextDocumentIdentifier(uri=uri, version=2 + number)
            began = time.monotonic()
            editor.text_document_did_change(
                lsp.DidChangeTextDocumentParams(text_document=version, content_changes=[change])
            )
            await editor.findings()
            times.append(time.monotonic() - began)

    with tempfile.TemporaryDirectory() as place:
        edit(act, Path(place) / "long.story.yaml", text)
    return [seconds("language server: key to findings, 300 shots", times, 0.3)]
