"""Hover, code actions and lenses: text about a place, and edits that fix it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onestory_cli.errors import Diagnostic
from onestory_cli.lsp.completion import description_of, properties_at
from onestory_cli.lsp.document import StoryDocument, key_path
from onestory_cli.lsp.rendered import about_take, shot_states
from onestory_cli.lsp.symbols import Symbol

_SUGGESTION = re.compile(r'did you mean "([^"]+)"')
_KEY_AT = re.compile(r"[A-Za-z_]+(?=\s*:)")
ID = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Fix:
    """An edit that a code action offers."""

    title: str
    start: int
    end: int
    text: str
    finding: Diagnostic | None = None


@dataclass(frozen=True, kw_only=True)
class Lens:
    """A remark above a shot."""

    start: int
    text: str


def hover(document: StoryDocument, offset: int) -> str:
    """Return Markdown about what is at an offset; "" for nothing."""
    symbol = document.symbol_at(offset)
    if symbol is None:
        return _about_key(document, offset)
    if symbol.kind != "shot":
        look = document.look(symbol.id)
        return f"**{symbol.id}** ({symbol.kind})\n\n{look}" if look else f"**{symbol.id}** ({symbol.kind})"
    return _about_shot(document, symbol.id)


def _about_shot(document: StoryDocument, shot: str) -> str:
    parts = [f"**{shot}**"]
    story = document.parsed.story
    found = [item for item in story.shots if item.id == shot] if story else []
    parts += [f"The model reads: {item.resolved_caption}" for item in found]
    if state := shot_states(document).get(shot):
        parts.append(state[0].upper() + state[1:])
    parts += about_take(document, shot)
    return "\n\n".join(parts)


def _about_key(document: StoryDocument, offset: int) -> str:
    """The schema's description of the key at an offset."""
    start = document.text.rfind("\n", 0, offset) + 1
    end = document.text.find("\n", offset)
    line = document.text[start : end if end >= 0 else len(document.text)]
    for match in _KEY_AT.finditer(line):
        if match.start() <= offset - start <= match.end():
            schema = properties_at(key_path(document.text, start + match.start())).get(match[0])
            return f"**{match[0]}**\n\n{description_of(schema)}" if schema else ""
    return ""


def lenses(document: StoryDocument) -> list[Lens]:
    """Return a remark for each shot."""
    states = shot_states(document)
    return [
        Lens(start=item.start, text=states[item.id])
        for item in document.symbols()
        if item.kind == "shot" and item.declares and item.id in states
    ]


def fixes(document: StoryDocument, start: int, end: int) -> Iterator[Fix]:
    """Yield the edits on offer in a range: suggestions of findings, and the full look of a mention."""
    for finding in document.analysis.findings:
        if finding.place is None:
            continue
        first, last = document.range_of(finding.place)
        match = _SUGGESTION.search(finding.help)
        if match and first <= end and start <= last:
            marked = document.text[first:last]
            text = f"${match[1]}" if marked.startswith("$") else match[1]
            yield Fix(title=f'Change to "{text}"', start=first, end=last, text=text, finding=finding)
    symbol = document.symbol_at(start)
    if symbol and symbol.kind != "shot" and not symbol.declares and document.text[symbol.end : symbol.end + 1] != "!":
        yield Fix(title=f"Write the full look of {symbol.id}", start=symbol.end, end=symbol.end, text="!")


def rename(document: StoryDocument, symbol: Symbol, name: str) -> list[Fix]:
    """Return the edits that rename an id everywhere.

    Raises:
        ValueError: `name` is not an id, or is taken, or the id is declared in an included file.
    """
    if place := document.declared_in(symbol):
        raise ValueError(f'"{symbol.id}" is declared in {place.path}, which other stories may include')
    if not ID.fullmatch(name):
        raise ValueError(f'"{name}" is not an id: use lower-case letters, digits and dashes, starting with a letter')
    taken = document.shots() if symbol.kind == "shot" else [*document.cast()]
    if name in taken and name != symbol.id:
        raise ValueError(f'"{name}" is taken')
    return [Fix(title="", start=item.start, end=item.end, text=name) for item in document.same(symbol)]
