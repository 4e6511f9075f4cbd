"""The schema line of a new story, read by yaml-language-server: `npm install --global yaml-language-server`."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.commands.conftest import Onestory, onestory
from tests.lsp.test_server import Editor

__all__ = ["onestory"]
SERVER = shutil.which("yaml-language-server")


async def _found_by_the_server(path: Path, text: str) -> list[str]:
    editor = Editor()
    editor.feature("workspace/configuration")(lambda params: [{} for _ in params.items])
    await editor.start_io(str(SERVER), "--stdio")
    root = path.parent.as_uri()
    await editor.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), root_uri=root))
    editor.initialized(lsp.InitializedParams())
    item = lsp.TextDocumentItem(uri=path.as_uri(), language_id="yaml", version=1, text=text)
    editor.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))
    found = await editor.findings()
    await editor.shutdown_async(None)
    editor.exit(None)
    await asyncio.wait_for(editor.stop(), 10)
    return [str(finding.message) for finding in found]


@pytest.mark.slow
@pytest.mark.skipif(SERVER is None, reason="needs yaml-language-server")
def test_the_schema_line_resolves(onestory: Onestory, tmp_path: Path) -> None:
    assert onestory("new", tmp_path / "kite").exit == 0
    story = tmp_path / "kite.story.yaml"
    text = story.read_text()
    assert asyncio.run(_found_by_the_server(story, text)) == []
    (finding,) = asyncio.run(_found_by_the_server(story, text.replace("\nmodel:", "\nmodle:")))
    assert finding == "Property modle is not allowed."
    (tmp_path / "story.v1.schema.json").unlink()
    (finding,) = asyncio.run(_found_by_the_server(story, text))
    assert "Unable to load schema" in finding
