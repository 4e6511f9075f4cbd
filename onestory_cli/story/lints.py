"""Warnings about a story that is valid but is likely not to show what its author means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from onestory_cli.errors import Diagnostic, shorten
from onestory_cli.story.captions import LONGEST_RESOLVED, REFERENCE, Declared
from onestory_cli.story.source import KeyPath, Source
from onestory_cli.story.types import Shot, Story

LONG_CAPTION = 300  # words, about the 512 tokens that Wan's text encoder reads

_PHRASE = re.compile(
    r"\bthe\s+same\b(?=\s+(?P<noun>\w+(?:[\s-]+\w+)?))|\bagain\b|\bback\s+(?:in|on|at|inside|outside)\b",
    re.IGNORECASE,
)
_MEASURES = {"time", "moment", "way", "direction", "size", "height", "distance", "colour", "color", "pace", "speed"}
_LITTLE = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with"}
_WORD = re.compile(r"\w+")
_PROSE = ("look", "again")


@dataclass(frozen=True, kw_only=True)
class View:
    """What a shot can see: earlier shots, and the looks of what has a picture, by id.

    Sets of shots are whole numbers here, with bit i for shot i: a film may have thousands of shots, and each of them
    thousands of words that refer back.
    """

    shots: int = 0
    pictured: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.shots or self.pictured)


def lint(source: Source, story: Story) -> Iterator[Diagnostic]:
    """W301 to W309, of a story without errors."""
    mentioned = {mention.id for shot in story.shots for mention in shot.mentions}
    for kind, declared in (("characters", story.characters), ("settings", story.settings)):
        for item in declared:
            if item.id not in mentioned:
                yield _unused(source, (kind, item.id))
            yield from _look(source, (kind, item.id), item)
    yield from _cut_or_dead_text(source, {item.id for item in story.declared})
    yield from _shots(source, story)


def _shots(source: Source, story: Story) -> Iterator[Diagnostic]:
    shown: dict[str, int] = {}
    said: dict[str, int] = {}
    order = {shot.id: index for index, shot in enumerate(story.shots)}
    pictured = {item.id: item.look for item in story.declared if item.image}
    for index, shot in enumerate(story.shots):
        path: KeyPath = ("shots", index, "caption")
        view = _view(shot, index, order, pictured)
        yield from _forgotten(source, path, shot, view, shown)
        yield from _dangling(source, path, shot, view, said)
        yield from _long(source, path, shot)
        for word in _words(shot.resolved_caption):
            said[word] = said.get(word, 0) | 1 << index
        for id in {mention.id for mention in shot.mentions}:
            shown[id] = shown.get(id, 0) | 1 << index


def _view(shot: Shot, index: int, order: Mapping[str, int], pictured: dict[str, str]) -> View:
    """What shot number `index` can see. `order`: the numbers of all shots; `pictured`: looks that have a picture."""
    memory = shot.memory
    if memory.policy == "none" or memory.frames == 0 or memory.budget == 0:
        return View()
    shots = (1 << index) - 1
    if memory.sources is not None:
        shots = sum({1 << order[id] for id in memory.sources if order.get(id, index) < index})
    if memory.policy == "last" and shots:
        return View(shots=1 << (shots.bit_length() - 1))
    return View(shots=shots, pictured=pictured)


def _forgotten(source: Source, path: KeyPath, shot: Shot, view: View, shown: dict[str, int]) -> Iterator[Diagnostic]:
    """W304: a referential mention of what no visible shot has shown. `shown`: the earlier shots that mention an id."""
    fulls = {mention.id for mention in shot.mentions if mention.full}
    for id in dict.fromkeys(mention.id for mention in shot.mentions if not mention.full):
        if id in fulls or id in view.pictured or shown[id] & view.shots:
            continue
        yield Diagnostic(
            code="W304",
            message=f'shot "{shot.id}" refers to "{id}" but sees no memory of it',
            severity="warning",
            place=source.place_inside(path, re.compile(rf"\${id}(?![\w-]*\w)"), 0),
            help=f"write `${id}!` for the full look, or let `memory.from` name a shot that shows it",
        )


def _dangling(source: Source, path: KeyPath, shot: Shot, view: View, said: dict[str, int]) -> Iterator[Diagnostic]:
    """W301: the first phrase that refers back to nothing. `said`: the earlier shots whose captions hold a word."""
    phrases = list(_PHRASE.finditer(shot.caption))
    first = _first_places(shot.caption) if phrases else {}
    for number, match in enumerate(phrases):
        nouns = _words(match["noun"] or "")
        if nouns & _MEASURES or any(first.get(noun, match.start()) < match.start() for noun in nouns):
            continue
        if view and (not nouns or _speaks_of(view, nouns, said)):
            continue
        phrase = " ".join(match[0].split())
        seen = "no earlier shot is in its memory" if not view else "nothing in its memory was called so"
        yield Diagnostic(
            code="W301",
            message=f'"{phrase}" in shot "{shot.id}" refers to nothing: {seen}',
            severity="warning",
            place=source.place_inside(path, _PHRASE, number),
            help="describe it in full, or declare it under `characters:` or `settings:` and write `$id`",
        )
        return


def _speaks_of(view: View, nouns: set[str], said: dict[str, int]) -> bool:
    if any(nouns & _words(f"{id} {look}") for id, look in view.pictured.items()):
        return True
    return any(said.get(noun, 0) & view.shots for noun in nouns)


def _long(source: Source, path: KeyPath, shot: Shot) -> Iterator[Diagnostic]:
    count = len(shot.resolved_caption.split())
    if count > LONG_CAPTION and len(shot.resolved_caption) <= LONGEST_RESOLVED:
        yield Diagnostic(
            code="W305",
            message=f'the resolved caption of shot "{shot.id}" has {count} words',
            severity="warning",
            place=source.place(path),
            help=f"text encoders read about {LONG_CAPTION} words and drop the rest: put what matters first, or cut",
        )


def _unused(source: Source, path: KeyPath) -> Diagnostic:
    kind, id = path
    code, name = ("W302", "character") if kind == "characters" else ("W303", "setting")
    return Diagnostic(
        code=code,
        message=f'{name} "{id}" is in no caption',
        severity="warning",
        place=source.key_place(path),
        help=f"write `${id}` in a caption, or delete the {name}",
    )


def _look(source: Source, path: KeyPath, item: Declared) -> Iterator[Diagnostic]:
    """W306 and W309, for texts that do not do what `look` and `again` are for."""
    if item.again.casefold() == item.look.casefold():
        yield Diagnostic(
            code="W306",
            message=f'"again" of "{item.id}" says the same as its look',
            severity="warning",
            place=source.place((*path, "again")),
            help="leave `again` out: later captions then refer back, and the memory shows the look",
        )
    for key, text in (("look", item.look), ("again", item.again)):
        if text.endswith((".", "。")):
            yield Diagnostic(
                code="W309",
                message=f'"{key}" of "{item.id}" ends with a full stop, which lands inside of sentences',
                severity="warning",
                place=source.place((*path, key)),
                help="delete the full stop: a look is part of a sentence, like `a red fox`",
            )


def _cut_or_dead_text(source: Source, ids: set[str]) -> Iterator[Diagnostic]:
    """W307 for prose that a comment cuts short, W308 for a reference where none is resolved."""
    for path, text in _prose(source.value):
        if place := source.comment_place(path):
            yield Diagnostic(
                code="W307",
                message=f'a comment cuts the text of "{path[-1]}" short',
                severity="warning",
                place=place,
                help=f"use `{path[-1]}: |` if # belongs to the text; else put two spaces before the comment",
            )
        if path[-1] == "caption":
            continue
        for number, match in enumerate(REFERENCE.finditer(text)):
            if match["name"] in ids:
                yield Diagnostic(
                    code="W308",
                    message=f'"{shorten(match[0])}" stays as it is here: only captions are resolved',
                    severity="warning",
                    place=source.place_inside(path, REFERENCE, number),
                    help="write the words out",
                )


def _prose(tree: object) -> Iterator[tuple[KeyPath, str]]:
    """Every text of a valid story that people write as prose, with its path."""
    assert isinstance(tree, dict)
    yield from (((key,), tree[key]) for key in ("title", "style", "negative") if key in tree)
    for kind in ("characters", "settings"):
        for id, item in tree.get(kind, {}).items():
            yield from (((kind, id, key), item[key]) for key in _PROSE if key in item)
    for index, shot in enumerate(tree["shots"]):
        yield from ((("shots", index, key), shot[key]) for key in ("caption", "negative") if key in shot)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold())) - _LITTLE


def _first_places(text: str) -> dict[str, int]:
    """Where each word of a text stands first, in any case."""
    places: dict[str, int] = {}
    for match in _WORD.finditer(text):
        places.setdefault(match[0].casefold(), match.start())
    return places
