"""Write a draft as a .story.yaml: prose in blocks, and comments where something needs attention."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from onestory_cli.errors import Diagnostic, shorten
from onestory_cli.importers.draft import Draft, DraftDeclared, DraftShot
from onestory_cli.story.referential_phrase import default_again

_MAX_REMARKS = 20
_WIDTH = 110


def write_story(draft: Draft, *, source: str, format: str, remarks: Sequence[Diagnostic]) -> str:
    """The text of a valid story. `source` is the name of the source file."""
    return "\n".join(_lines(draft, source, format, remarks)) + "\n"


def _lines(draft: Draft, source: str, format: str, remarks: Sequence[Diagnostic]) -> Iterator[str]:
    yield "# yaml-language-server: $schema=story.v1.schema.json"
    yield f"# Imported from {shorten(source)} ({format})."
    yield from _remarks(remarks)
    yield "story: 1"
    yield f"title: {_quoted(draft.title)}"
    yield "model: storyworld  # knows only its own small world; `onestory models` lists others"
    if draft.note:
        yield from ("", *_block("note", draft.note, ""))
    if draft.style:
        yield from ("", *_block("style", draft.style, ""))
    for key, declared in (("characters", draft.characters), ("settings", draft.settings)):
        if declared:
            yield from ("", f"{key}:")
            for item in declared:
                yield from _declared(item)
    yield from ("", "shots:")
    for shot in draft.shots:
        yield from _shot(shot)


def _remarks(remarks: Sequence[Diagnostic]) -> Iterator[str]:
    for item in remarks[:_MAX_REMARKS]:
        yield f"#   {shorten(item.message, 200)}"
    if len(remarks) > _MAX_REMARKS:
        yield f"#   and {len(remarks) - _MAX_REMARKS} more, listed by the import"


def _declared(item: DraftDeclared) -> Iterator[str]:
    yield f"  {item.id}:" + (f"  # {shorten(item.why, 100)}" if item.why else "")
    yield from _block("look", item.look, "    ")
    if item.again and item.again != default_again(item.id, item.look):
        yield f"    again: {_quoted(item.again)}"


def _shot(shot: DraftShot) -> Iterator[str]:
    yield f"  - id: {shot.id}"
    yield from _block("caption", shot.caption, "    ")
    if shot.subtitle:
        yield f"    subtitle: {json.dumps(shot.subtitle, ensure_ascii=False)}"
    if shot.continues:
        yield "    x-cut: false"
    for key, text in shot.notes.items():
        yield from _block(key, text, "    ")


def _block(key: str, text: str, indent: str) -> Iterator[str]:
    """Prose as a YAML block, wrapped at words."""
    yield f"{indent}{key}: |"
    for line in text.splitlines():
        yield from textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=f"{indent}  ",
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
