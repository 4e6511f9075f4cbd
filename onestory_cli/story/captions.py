"""`$ids` -> referential captions: the full look at the first mention of the film, `again` afterwards.

First means first in the order of the file, whatever the shots remember. A reference is `$id`, or `$id!` for the full
look; `$$` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onestory_cli.errors import Diagnostic, closest, shorten
from onestory_cli.story.source import KeyPath, Source
from onestory_cli.story.types import Character, Mention, Setting, Shot

# A name may be written in any case here, so that `$Fox` is told what it lacks.
REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z](?:[\w-]*\w)?)(?P<full>!?)|)", re.ASCII)
LONGEST_RESOLVED = 20_000  # characters
MOST_MENTIONS = 20_000  # of a film
_SENTENCE_END = ".!?…。"

Declared = Character | Setting


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What the model sees of one caption; mentions are spans of `text`."""

    text: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who and what a story declares, by id; `complete` is False where a declaration could not be read."""

    declared: Mapping[str, Declared]
    complete: bool = True


def fold(text: str) -> str:
    """Text on one line: white space of any length is one space."""
    return " ".join(text.split())


def default_again(id: str) -> str:
    """How captions refer to an id that says nothing about it: "the same old robot"."""
    return f"the same {id.replace('-', ' ')}"


def resolve_all(captions: Sequence[str], cast: Cast, style: str) -> tuple[Resolved, ...]:
    """The resolved captions of a film, in order; `style` is appended to each. Unknown references stay as they are."""
    seen: set[str] = set()
    resolved: list[Resolved] = []
    mentions = 0
    for caption in captions:
        resolved.append(_resolve(fold(caption), cast, fold(style), seen, most=MOST_MENTIONS + 1 - mentions))
        mentions += len(resolved[-1].mentions)
    return tuple(resolved)


def _resolve(caption: str, cast: Cast, style: str, seen: set[str], *, most: int) -> Resolved:
    """One caption with its first `most` mentions; ids that it mentions are added to `seen`."""
    parts: list[str] = []
    mentions: list[Mention] = []
    length = position = 0
    for match in REFERENCE.finditer(caption):
        before = caption[position : match.start()]
        start, position = length + len(before), match.end()
        item = cast.declared.get(match["name"] or "")
        if item is None:
            words = "$" if match["dollar"] else match[0]
        else:
            full = bool(match["full"]) or item.id not in seen
            words = _capitalised(item.look if full else item.again, after="".join(parts[-1:]) + before)
            kind = "character" if isinstance(item, Character) else "setting"
            mentions.append(Mention(id=item.id, kind=kind, full=full, start=start, end=start + len(words)))
            seen.add(item.id)
        parts += before, words
        length = start + len(words)
        # refused by `check_captions`; not built, because looks may multiply
        if length > LONGEST_RESOLVED or len(mentions) >= most:
            break
    return Resolved(text=_styled("".join(parts) + caption[position:], style), mentions=tuple(mentions))


def _capitalised(words: str, *, after: str) -> str:
    """The words as they start a sentence, when nothing or the end of another stands before them."""
    before = after.rstrip()
    starts_sentence = not before or before[-1] in _SENTENCE_END
    return words[0].upper() + words[1:] if starts_sentence and words and len(words[0].upper()) == 1 else words


def _styled(caption: str, style: str) -> str:
    if not style or not caption:
        return caption
    return f"{caption} {style}" if caption[-1] in _SENTENCE_END else f"{caption}. {style}"


def check_captions(source: Source, shots: Sequence[Shot], cast: Cast) -> Iterator[Diagnostic]:
    """S104 unknown references, S140 lone dollars, S142 resolved captions too long or with too many references."""
    mentions = 0
    for index, shot in enumerate(shots):
        path: KeyPath = ("shots", index, "caption")
        for number, match in enumerate(REFERENCE.finditer(shot.caption)):
            if finding := _reference_finding(match, shot, cast):
                yield replace(finding, place=source.place_inside(path, REFERENCE, number))
        mentions += len(shot.mentions)
        if mentions > MOST_MENTIONS:
            yield Diagnostic(
                code="S142",
                message=f"the captions refer more than {MOST_MENTIONS} times, up to {_named(shot)}",
                place=source.place(path),
                help="tell a longer film in several stories",
            )
            return
        if len(shot.resolved_caption) > LONGEST_RESOLVED:
            yield Diagnostic(
                code="S142",
                message=f"with its looks written out, the caption of {_named(shot)} is too long",
                place=source.place(path),
                help=f"{LONGEST_RESOLVED} characters are the most; mention less, or write `$id` in place of `$id!`",
            )


def _reference_finding(match: re.Match[str], shot: Shot, cast: Cast) -> Diagnostic | None:
    """What is wrong with a reference, without its place."""
    name = match["name"]
    if match["dollar"] or name in cast.declared:
        return None
    if name is None:
        help = "write `$$` for a dollar sign, `$id` for a character or setting"
        return Diagnostic(code="S140", message=f"a lone dollar sign in {_named(shot)}", help=help)
    if not cast.complete:
        return None
    near = closest(name.lower(), cast.declared)
    kind = "setting" if near and isinstance(cast.declared[near], Setting) else "character"
    help = f'did you mean "{near}"?' if near else "declare it under `characters:` or `settings:`, or write `$$` for $"
    return Diagnostic(code="S104", message=f'unknown {kind} "{shorten(name)}" in {_named(shot)}', help=help)


def _named(shot: Shot) -> str:
    return f'shot "{shorten(shot.id)}"' if shot.id else "a shot without id"
