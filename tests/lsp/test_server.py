"""A real client over stdio: pygls' own, with the server as a subprocess."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from tests.commands.conftest import film_run, story
from tests.lsp.test_document import STORY

__all__ = ["film_run", "story"]  # fixtures

ROOT = Path(__file__).parents[2]
BROKEN = STORY.replace("right on $beach.", "right on $beech.")


class Editor(LanguageClient):
    """A client that keeps the newest findings and waits for them."""

    def __init__(self) -> None:
        super().__init__("editor", "1")
        self.found: asyncio.Queue[list[lsp.Diagnostic]] = asyncio.Queue()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _publish(params: lsp.PublishDiagnosticsParams) -> None:
            self.found.put_nowait(list(params.diagnostics))

    async def findings(self) -> list[lsp.Diagnostic]:
        return await asyncio.wait_for(self.found.get(), 30)


def edit(act: Callable[[Editor, str], Awaitable[None]], path: Path, text: str) -> None:
    """Start the server, open a text, act, and end it."""

    async def run() -> None:
        editor = Editor()
        os.environ["PYTHONPATH"] = str(ROOT)
        await editor.start_io(sys.executable, "-m", "onestory_cli", "lsp")
        await editor.initialize_async(
            lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), root_uri=path.parent.as_uri())
        )
        editor.initialized(lsp.InitializedParams())
        item = lsp.TextDocumentItem(uri=path.as_uri(), language_id="yaml", version=1, text=text)
        editor.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))
        await act(editor, path.as_uri())
        await editor.shutdown_async(None)
        editor.exit(None)
        await asyncio.wait_for(editor.stop(), 10)

    asyncio.run(run())


def position(text: str, before: str) -> lsp.Position:
    """The position after `before`, in UTF-16 units."""
    start = text[: text.index(before) + len(before)]
    line = start.rsplit("\n", 1)[-1]
    return lsp.Position(line=start.count("\n"), character=len(line.encode("utf-16-le")) // 2)


def test_findings_fixes_and_navigation(tmp_path: Path) -> None:
    async def act(editor: Editor, uri: str) -> None:
        file = lsp.TextDocumentIdentifier(uri=uri)
        (finding,) = await editor.findings()
        assert (finding.code, finding.source) == ("S104", "onestory")
        assert 'did you mean "beach"' in finding.message
        actions = await editor.text_document_code_action_async(
            lsp.CodeActionParams(
                text_document=file, range=finding.range, context=lsp.CodeActionContext(diagnostics=[finding])
            )
        )
        (change,) = [action.edit.changes[uri][0] for action in actions or () if action.edit and action.edit.changes]
        whole = lsp.TextDocumentContentChangePartial(range=change.range, text=change.new_text)
        version = lsp.VersionedTextDocumentIdentifier(uri=uri, version=2)
        editor.text_document_did_change(lsp.DidChangeTextDocumentParams(text_document=version, content_changes=[whole]))
        assert await editor.findings() == []
        where = position(STORY, "$fo")
        (place,) = await editor.text_document_definition_async(lsp.DefinitionParams(text_document=file, position=where))
        assert place.range.start == lsp.Position(line=4, character=2)
        hover = await editor.text_document_hover_async(lsp.HoverParams(text_document=file, position=where))
        assert "a red fox with a blue scarf" in hover.contents.value
        edit = await editor.text_document_rename_async(
            lsp.RenameParams(text_document=file, position=where, new_name="vixen")
        )
        assert len(edit.changes[uri]) == 3

    edit(act, tmp_path / "film.story.yaml", BROKEN)


@pytest.mark.slow
def test_positions_are_in_units_of_the_client(tmp_path: Path) -> None:
    """An emoji is one character here and two in UTF-16, the protocol's own unit."""
    text = STORY.replace("Wide shot. $fox walks right on $beach.", "\N{KITE}\N{FOX FACE} $fox on $beech.")

    async def act(editor: Editor, uri: str) -> None:
        (finding,) = await editor.findings()
        assert finding.range.start == position(text, "on ")

    edit(act, tmp_path / "film.story.yaml", text)


@pytest.mark.slow
def test_each_unknown_word_is_underlined(tmp_path: Path) -> None:
    text = STORY.replace("Wide shot. $fox walks right on $beach.", "A dragon sees $fox in a castle.")

    async def act(editor: Editor, uri: str) -> None:
        found = [finding for finding in await editor.findings() if finding.code == "W310"]
        assert [finding.range.start for finding in found] == [
            position(text, before) for before in ("A ", "dragon ", "in a ")
        ]
        assert len({finding.message for finding in found}) == 1

    edit(act, tmp_path / "film.story.yaml", text)


@pytest.mark.slow
def test_a_long_story_is_checked_while_it_is_typed(tmp_path: Path) -> None:
    shots = "".join(f"  - {{id: s{number}, caption: Wide shot. $fox walks on $beach.}}\n" for number in range(300))
    text = STORY + shots

    async def act(editor: Editor, uri: str) -> None:
        await editor.findings()
        version = lsp.VersionedTextDocumentIdentifier(uri=uri, version=2)
        changed = lsp.TextDocumentContentChangeWholeDocument(text=text.replace("title: Kite", "title: Kites\nfsp: 8"))
        editor.text_document_did_change(
            lsp.DidChangeTextDocumentParams(text_document=version, content_changes=[changed])
        )
        assert "S106" not in [item.code for item in await editor.findings()]

    edit(act, tmp_path / "film.story.yaml", text)


@pytest.mark.slow
def test_definition_and_findings_of_an_included_file(tmp_path: Path) -> None:
    cast = tmp_path / "cast.yaml"
    cast.write_text("characters:\n  fox: {look: a red fox, agian: it}\n")
    text = "story: 1\ntitle: Kite\ninclude: [cast.yaml]\nshots: [{id: a, caption: $fox waves.}]\n"

    async def act(editor: Editor, uri: str) -> None:
        (finding,) = await editor.findings()
        assert finding.message.startswith(f"{cast}:2:26: unknown key")
        assert finding.range.start == lsp.Position(line=2, character=10)
        params = lsp.DefinitionParams(text_document=lsp.TextDocumentIdentifier(uri=uri), position=position(text, "$fo"))
        (place,) = await editor.text_document_definition_async(params)
        assert (place.uri, place.range.start) == (cast.as_uri(), lsp.Position(line=1, character=2))

    edit(act, tmp_path / "film.story.yaml", text)


@pytest.mark.slow
def test_lenses_references_and_words_of_a_rendered_story(film_run: Path, story: Path) -> None:
    text = story.read_text()

    async def act(editor: Editor, uri: str) -> None:
        file = lsp.TextDocumentIdentifier(uri=uri)
        assert await editor.findings() == []
        lenses = await editor.text_document_code_lens_async(lsp.CodeLensParams(text_document=file))
        assert [item.command.title for item in lenses or () if item.command] == ["kept, 1 take"] * 3
        found = await editor.text_document_references_async(
            lsp.ReferenceParams(
                text_document=file,
                position=position(text, "$fo"),
                context=lsp.ReferenceContext(include_declaration=False),
            )
        )
        assert len(found or ()) == 2
        params = lsp.CodeActionParams(
            text_document=file,
            range=lsp.Range(start=position(text, "$fo"), end=position(text, "$fo")),
            context=lsp.CodeActionContext(diagnostics=[]),
        )
        actions = await editor.text_document_code_action_async(params)
        assert [item.title for item in actions or ()] == ["Write the full look of fox"]
        shown = await editor.text_document_hover_async(
            lsp.HoverParams(text_document=file, position=position(text, "id: ret"))
        )
        assert "Remembered: " in shown.contents.value
        items = await editor.text_document_completion_async(
            lsp.CompletionParams(text_document=file, position=position(text, "waves on $"))
        )
        assert [item.label for item in items.items] == ["fox", "beach"]

    edit(act, story.absolute(), text)
