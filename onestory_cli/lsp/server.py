"""The language server protocol, with pygls: texts in, findings and answers out. The other modules analyse the texts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from onestory_cli.errors import Diagnostic, Place
from onestory_cli.lsp.completion import complete
from onestory_cli.lsp.document import StoryDocument
from onestory_cli.lsp.navigation import Fix, fixes, hover, lenses, rename
from onestory_cli.lsp.symbols import Symbol
from onestory_cli.version import __version__

PAUSE = 0.05  # seconds without a key press before the text is analysed
_KINDS = {
    "character": lsp.CompletionItemKind.Variable,
    "setting": lsp.CompletionItemKind.Constant,
    "shot": lsp.CompletionItemKind.Reference,
    "key": lsp.CompletionItemKind.Property,
    "value": lsp.CompletionItemKind.EnumMember,
    "word": lsp.CompletionItemKind.Text,
}
_SEVERITIES = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}


class StoryServer(LanguageServer):
    """Keeps one StoryDocument per open file."""

    def __init__(self) -> None:
        super().__init__("onestory", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental)
        self._documents: dict[str, StoryDocument] = {}
        self._pending: dict[str, asyncio.Task[None]] = {}

    def read(self, uri: str) -> StoryDocument:
        """Return the document with the newest text, analysed."""
        text = self.workspace.get_text_document(uri).source
        document = self._documents.get(uri)
        if document is None:
            document = StoryDocument(Path(to_fs_path(uri) or "story.story.yaml"), text)
            self._documents[uri] = document
        elif document.text != text:
            document.update(text)
        return document

    def close(self, uri: str) -> None:
        """Forget a file and its findings."""
        if task := self._pending.pop(uri, None):
            task.cancel()
        self._documents.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    def check(self, uri: str) -> None:
        """Publish the findings of the newest text."""
        document = self.read(uri)
        found = [
            self._diagnostic(uri, document, replace(finding, place=place))
            for finding in document.analysis.findings
            for place in (finding.place, *finding.further)
        ]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found))

    def check_soon(self, uri: str) -> None:
        """Publish findings after a pause without another change."""
        if task := self._pending.get(uri):
            task.cancel()
        self._pending[uri] = asyncio.get_running_loop().create_task(self._check_after_pause(uri))

    async def _check_after_pause(self, uri: str) -> None:
        await asyncio.sleep(PAUSE)
        self.check(uri)

    def _diagnostic(self, uri: str, document: StoryDocument, finding: Diagnostic) -> lsp.Diagnostic:
        start, end = document.range_of(finding.place) if finding.place else (0, 0)
        message = f"{finding.message}\nhelp: {finding.help}" if finding.help else finding.message
        if finding.place and document.include_place(finding.place):
            message = f"{finding.place.path}:{finding.place.line}:{finding.place.column}: {message}"
        return lsp.Diagnostic(
            range=self.span(uri, document, start, end),
            message=message,
            severity=_SEVERITIES[finding.severity],
            code=finding.code,
            source="onestory",
        )

    def span(self, uri: str, document: StoryDocument, start: int, end: int) -> lsp.Range:
        """Offsets -> a range in the client's units."""
        place = self.workspace.get_text_document(uri).client_position_at_offset
        return lsp.Range(start=place(start), end=place(end))

    def offset(self, uri: str, position: lsp.Position) -> int:
        """A position in the client's units -> an offset."""
        return self.workspace.get_text_document(uri).offset_at_position(position)

    def edit(self, uri: str, document: StoryDocument, changes: list[Fix]) -> lsp.WorkspaceEdit:
        """Return edits of one file."""
        edits = [lsp.TextEdit(range=self.span(uri, document, fix.start, fix.end), new_text=fix.text) for fix in changes]
        return lsp.WorkspaceEdit(changes={uri: edits})


def make_server() -> StoryServer:
    """Return a server with all features."""
    server = StoryServer()
    _add_synchronization(server)
    _add_navigation(server)
    _add_edits(server)
    return server


def _add_synchronization(server: StoryServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def _open(params: lsp.DidOpenTextDocumentParams) -> None:
        server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def _change(params: lsp.DidChangeTextDocumentParams) -> None:
        server.check_soon(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def _save(params: lsp.DidSaveTextDocumentParams) -> None:
        server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def _close(params: lsp.DidCloseTextDocumentParams) -> None:
        server.close(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["$", ":", " ", "[", ","]))
    def _complete(params: lsp.CompletionParams) -> lsp.CompletionList:
        uri = params.text_document.uri
        document, offset = server.read(uri), server.offset(uri, params.position)
        items = [
            lsp.CompletionItem(
                label=item.text.rstrip(": "),
                kind=_KINDS[item.kind],
                detail=item.detail,
                text_edit=lsp.TextEdit(
                    range=server.span(uri, document, offset - item.typed, offset), new_text=item.text
                ),
            )
            for item in complete(document, offset)
        ]
        return lsp.CompletionList(is_incomplete=False, items=items)


def _add_navigation(server: StoryServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def _hover(params: lsp.HoverParams) -> lsp.Hover | None:
        uri = params.text_document.uri
        text = hover(server.read(uri), server.offset(uri, params.position))
        return lsp.Hover(contents=lsp.MarkupContent(kind=lsp.MarkupKind.Markdown, value=text)) if text else None

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def _definition(params: lsp.DefinitionParams) -> list[lsp.Location]:
        document = server.read(params.text_document.uri)
        symbol = document.symbol_at(server.offset(params.text_document.uri, params.position))
        place = document.declared_in(symbol) if symbol else None
        return [_elsewhere(place)] if place else _places(server, params, declares=True)

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def _references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        return _places(server, params, declares=None if params.context.include_declaration else False)


def _add_edits(server: StoryServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def _prepare(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        uri = params.text_document.uri
        document = server.read(uri)
        symbol = document.symbol_at(server.offset(uri, params.position))
        return server.span(uri, document, symbol.start, symbol.end) if symbol else None

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def _rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        uri = params.text_document.uri
        document = server.read(uri)
        symbol = document.symbol_at(server.offset(uri, params.position))
        return server.edit(uri, document, rename(document, symbol, params.new_name)) if symbol else None

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION)
    def _actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri = params.text_document.uri
        document = server.read(uri)
        start, end = (server.offset(uri, place) for place in (params.range.start, params.range.end))
        return [_action(server, uri, document, fix) for fix in fixes(document, start, end)]

    @server.feature(lsp.TEXT_DOCUMENT_CODE_LENS)
    def _lens(params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
        uri = params.text_document.uri
        document = server.read(uri)
        return [
            lsp.CodeLens(
                range=server.span(uri, document, lens.start, lens.start),
                command=lsp.Command(title=lens.text, command=""),
            )
            for lens in lenses(document)
        ]


def _places(
    server: StoryServer, params: lsp.DefinitionParams | lsp.ReferenceParams, *, declares: bool | None
) -> list[lsp.Location]:
    """The places of the id at a position: its declaration, its mentions, or for None both."""
    uri = params.text_document.uri
    document = server.read(uri)
    symbol = document.symbol_at(server.offset(uri, params.position))
    found: list[Symbol] = document.same(symbol) if symbol else []
    return [
        lsp.Location(uri=uri, range=server.span(uri, document, item.start, item.end))
        for item in found
        if declares is None or item.declares is declares
    ]


def _elsewhere(place: Place) -> lsp.Location:
    """A place in a file that is not open. Ids are ASCII, so that columns are the same in all units."""
    start = lsp.Position(line=place.line - 1, character=place.column - 1)
    end = lsp.Position(line=place.line - 1, character=place.column - 1 + place.length)
    return lsp.Location(uri=Path(place.path).absolute().as_uri(), range=lsp.Range(start=start, end=end))


def _action(server: StoryServer, uri: str, document: StoryDocument, fix: Fix) -> lsp.CodeAction:
    kind = lsp.CodeActionKind.QuickFix if fix.finding else lsp.CodeActionKind.RefactorRewrite
    return lsp.CodeAction(title=fix.title, kind=kind, edit=server.edit(uri, document, [fix]))


def serve() -> None:
    """Serve over stdin and stdout until the client exits."""
    make_server().start_io()
