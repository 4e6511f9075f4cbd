"""`$ids` -> referential captions: the full look at the first mention of the film, `again` afterwards.

First means first in file order, whatever the shots remember. A reference is `$id`, or `$id!` for the full look; `$$` is
a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onestory_cli.errors import Diagnostic, closest, shorten
from onestory_cli.story.source import KeyPath, StorySource
from onestory_cli.story.types import Character, Mention, Setting, Shot

# Matches names in any case, so that `$Fox` is reported as unknown.
REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z](?:[\w-]*\w)?)(?P<full>!?)|)", re.ASCII)
MAX_RESOLVED = 20_000  # characters
MAX_MENTIONS = 20_000  # of a film
_SENTENCE_END = ".!?…。"

Declared = Character | Setting


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The caption that the model sees; mentions are spans of `text`."""

    text: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The declarations of a story by id; `complete` is False if some could not be read."""

    declared: Mapping[str, Declared]
    complete: bool = True


def fold(text: str) -> str:
    """Text on one line, with each run of white space replaced by one space."""
    return " ".join(text.split())


def resolve_all(captions: Sequence[tuple[str, bool]], cast: Cast, style: str) -> tuple[Resolved, ...]:
    """The resolved captions of a film, in order, each followed by `style`. Unknown references are left unchanged.

    A caption comes with a flag: if true, it is resolved as if it were the first of the film (`captions: full`).
    """
    seen: set[str] = set()
    resolved: list[Resolved] = []
    mentions = 0
    for caption, full in captions:
        seen_here = set() if full else seen
        resolved.append(_resolve(fold(caption), cast, fold(style), seen_here, most=MAX_MENTIONS + 1 - mentions))
        seen |= seen_here
        mentions += len(resolved[-1].mentions)
    return tuple(resolved)


def with_full_looks(shot: Shot, declared: Sequence[Declared], style: str) -> Shot:
    """The shot with its caption resolved as if it were the first of the film."""
    if all(mention.full for mention in shot.mentions):
        return shot
    (resolved,) = resolve_all([(shot.caption, True)], Cast(declared={item.id: item for item in declared}), style)
    return replace(shot, resolved_caption=resolved.text, mentions=resolved.mentions)


def mentions_in(caption: str, shot: Shot, declared: Sequence[Declared], style: str) -> tuple[Mention, ...]:
    """The mentions in a resolved caption of a shot; none if the shot has been edited since, as spans would be wrong."""
    for resolved in (shot, with_full_looks(shot, declared, style)):
        if resolved.resolved_caption == caption:
            return resolved.mentions
    return ()


def _resolve(caption: str, cast: Cast, style: str, seen: set[str], *, most: int) -> Resolved:
    """Resolve one caption up to `most` mentions, and add the ids that it mentions to `seen`."""
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
        # `check_captions` reports these; stop here, because looks can multiply to gigabytes
        if length > MAX_RESOLVED or len(mentions) >= most:
            break
    return Resolved(text=_styled("".join(parts) + caption[position:], style), mentions=tuple(mentions))


def _capitalised(words: str, *, after: str) -> str:
    """Capitalise the words if they start a sentence: at the beginning, or after the end of another."""
    before = after.rstrip()
    starts_sentence = not before or before[-1] in _SENTENCE_END
    return words[0].upper() + words[1:] if starts_sentence and words and len(words[0].upper()) == 1 else words


def _styled(caption: str, style: str) -> str:
    if not style or not caption:
        return caption
    return f"{caption} {style}" if caption[-1] in _SENTENCE_END else f"{caption}. {style}"


def check_captions(source: StorySource, shots: Sequence[Shot], cast: Cast) -> Iterator[Diagnostic]:
    """S104 unknown reference, S140 single dollar sign, S142 too long or too many references once resolved."""
    mentions = 0
    for index, shot in enumerate(shots):
        path: KeyPath = ("shots", index, "caption")
        for number, match in enumerate(REFERENCE.finditer(shot.caption)):
            if finding := _reference_finding(match, shot, cast):
                yield replace(finding, place=source.place_inside(path, REFERENCE, number))
        mentions += len(shot.mentions)
        if mentions > MAX_MENTIONS:
            yield Diagnostic(
                code="S142",
                message=f"more than {MAX_MENTIONS} references in captions, reached in {_named(shot)}",
                place=source.place(path),
                help="split the film into several stories",
            )
            return
        if finding := long_caption_finding(shot):
            yield replace(finding, place=source.place(path))


def long_caption_finding(shot: Shot) -> Diagnostic | None:
    """S142, without a place, for a caption that is too long once resolved."""
    if len(shot.resolved_caption) <= MAX_RESOLVED:
        return None
    message = f"the caption of {_named(shot)} is too long with its looks written out"
    help = f"the limit is {MAX_RESOLVED} characters; use fewer references, or `$id` instead of `$id!`"
    return Diagnostic(code="S142", message=message, help=help)


def _reference_finding(match: re.Match[str], shot: Shot, cast: Cast) -> Diagnostic | None:
    """The finding for a reference, without a place; None if it is fine."""
    name = match["name"]
    if match["dollar"] or name in cast.declared:
        return None
    if name is None:
        help = "write `$$` for a dollar sign, `$id` for a character or setting"
        return Diagnostic(code="S140", message=f"a single dollar sign in {_named(shot)}", help=help)
    if not cast.complete:
        return None
    near = closest(name.lower(), cast.declared)
    if near is None:
        message = f'"{shorten(name)}" in {_named(shot)} is neither a character nor a setting'
        help = f"declare it under `characters:` or `settings:`, or write it without the dollar sign: `{shorten(name)}`"
        return Diagnostic(code="S104", message=message, help=help)
    kind = "setting" if isinstance(cast.declared[near], Setting) else "character"
    message = f'unknown {kind} "{shorten(name)}" in {_named(shot)}'
    return Diagnostic(code="S104", message=message, help=f'did you mean "{near}"?')


def _named(shot: Shot) -> str:
    return f'shot "{shorten(shot.id)}"' if shot.id else "a shot without an id"
