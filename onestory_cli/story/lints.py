"""Warnings about a valid story that probably does not do what its author intends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from onestory_cli.errors import Diagnostic, Place, shorten
from onestory_cli.story.captions import REFERENCE, Declared
from onestory_cli.story.source import KeyPath, StorySource
from onestory_cli.story.types import Shot, Story

_PHRASE = re.compile(
    r"\bthe\s+same\b(?=\s+(?P<noun>\w+(?:[\s-]+\w+)?))|\bagain\b|\bback\s+(?:in|on|at|inside|outside)\b",
    re.IGNORECASE,
)
_MEASURES = {"time", "moment", "way", "direction", "size", "height", "distance", "colour", "color", "pace", "speed"}
_STOP_WORDS = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with"}
_WORD = re.compile(r"\w+")
_PROSE = ("look", "again")
MAX_NAMES = 100  # characters whose names are searched in captions


@dataclass(frozen=True, kw_only=True)
class _Visibility:
    """What a shot can see: earlier shots, and the looks of ids that have a reference image.

    Sets of shots are integers with bit i for shot i: a film may have thousands of shots, each with thousands of words
    that refer back.
    """

    shots: int = 0
    pictured: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.shots or self.pictured)


def lint(source: StorySource, tree: dict[str, Any], story: Story) -> Iterator[Diagnostic]:
    """W301 to W303, W306 to W309 and W312; `tree` has the well-typed values. (`planning` adds W304 and W305.)"""
    mentioned = {mention.id for shot in story.shots for mention in shot.mentions}
    for kind, declared in (("characters", story.characters), ("settings", story.settings)):
        for item in declared:
            if item.id not in mentioned and (kind, item.id) not in source.included:  # a cast serves several stories
                yield _unused(source, (kind, item.id))
            yield from _look_warnings(source, (kind, item.id), item)
    yield from _text_warnings(source, tree, {item.id for item in story.declared})
    yield from _names_without_dollar(source, story)
    yield from _shot_warnings(source, story)


def _shot_warnings(source: StorySource, story: Story) -> Iterator[Diagnostic]:
    shots_with_word: dict[str, int] = {}
    order = {shot.id: index for index, shot in enumerate(story.shots)}
    pictured = {item.id: item.look for item in story.declared if item.image}
    for index, shot in enumerate(story.shots):
        path: KeyPath = ("shots", index, "caption")
        visible = _visibility(shot, index, order, pictured)
        yield from _dangling(source, path, shot, visible, shots_with_word)
        for word in _words(shot.resolved_caption):
            shots_with_word[word] = shots_with_word.get(word, 0) | 1 << index


def _visibility(shot: Shot, index: int, order: Mapping[str, int], pictured: dict[str, str]) -> _Visibility:
    """What shot number `index` can see. `order` has the numbers of all shots."""
    memory = shot.memory
    if memory.policy == "none" or memory.frames == 0 or memory.budget == 0:
        return _Visibility()
    shots = (1 << index) - 1
    if memory.sources is not None:
        shots = sum({1 << order[id] for id in memory.sources if order.get(id, index) < index})
    if memory.policy == "last" and shots:
        return _Visibility(shots=1 << (shots.bit_length() - 1))
    return _Visibility(shots=shots, pictured=pictured)


def _dangling(
    source: StorySource, path: KeyPath, shot: Shot, visible: _Visibility, shots_with_word: dict[str, int]
) -> Iterator[Diagnostic]:
    """W301: the first phrase that refers back to something that no visible caption mentions."""
    phrases = list(_PHRASE.finditer(shot.caption))
    first = _first_places(shot.caption) if phrases else {}
    for number, match in enumerate(phrases):
        nouns = _words(match["noun"] or "")
        if nouns & _MEASURES or any(first.get(noun, match.start()) < match.start() for noun in nouns):
            continue
        if visible and (not nouns or _mentions(visible, nouns, shots_with_word)):
            continue
        phrase = " ".join(match[0].split())
        why = "no shot in its memory mentions it" if visible else "it has no earlier shots in its memory"
        yield _warning(
            "W301",
            f'"{phrase}" in shot "{shot.id}" refers to nothing: {why}',
            source.place_inside(path, _PHRASE, number),
            help="describe it in full, or declare it under `characters:` or `settings:` and write `$id`",
        )
        return


def _mentions(visible: _Visibility, nouns: set[str], shots_with_word: dict[str, int]) -> bool:
    if any(nouns & _words(f"{id} {look}") for id, look in visible.pictured.items()):
        return True
    return any(shots_with_word.get(noun, 0) & visible.shots for noun in nouns)


def _unused(source: StorySource, path: KeyPath) -> Diagnostic:
    kind, id = path
    code, name = ("W302", "character") if kind == "characters" else ("W303", "setting")
    help = f"write `${id}` in a caption, or delete the {name}"
    return _warning(code, f'{name} "{id}" is not used in any caption', source.key_place(path), help=help)


def _look_warnings(source: StorySource, path: KeyPath, item: Declared) -> Iterator[Diagnostic]:
    """W306 and W309, for values of `look` and `again` that do not fit their purpose."""
    if source.has((*path, "again")) and item.again.casefold() == item.look.casefold():
        yield _warning(
            "W306",
            f'"again" of "{item.id}" is the same as its look',
            source.place((*path, "again")),
            help="delete `again`: later captions then refer back, and the look comes from the memory",
        )
    for key, text in (("look", item.look), ("again", item.again)):
        if text.endswith((".", "。")):
            yield _warning(
                "W309",
                f'"{key}" of "{item.id}" ends with a full stop, which would be inserted into sentences',
                source.place((*path, key)),
                help="delete the full stop: a look is part of a sentence, like `a red fox`",
            )


def _text_warnings(source: StorySource, tree: dict[str, Any], ids: set[str]) -> Iterator[Diagnostic]:
    """W307 for prose that a comment cuts off, W308 for a reference in text that is not a caption."""
    for path, text in _prose(tree):
        if place := source.comment_place(path):
            yield _warning(
                "W307",
                f'a comment cuts off the text of "{path[-1]}"',
                place,
                help=f"use `{path[-1]}: |` if # belongs to the text; else put two spaces before the comment",
            )
        if path[-1] == "caption":
            continue
        for number, match in enumerate(REFERENCE.finditer(text)):
            if match["name"] in ids:
                yield _warning(
                    "W308",
                    f'"{shorten(match[0])}" is not replaced here: only captions are resolved',
                    source.place_inside(path, REFERENCE, number),
                    help="write the words out",
                )


def _warning(code: str, message: str, place: Place, *, help: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, severity="warning", place=place, help=help)


def _names_without_dollar(source: StorySource, story: Story) -> Iterator[Diagnostic]:
    """W312: the first caption that has the name of a character as a word but does not mention its id."""
    if not story.characters:
        return
    captions = [REFERENCE.sub(lambda match: " " * len(match[0]), shot.caption) for shot in story.shots]
    mentioned = [{mention.id for mention in shot.mentions} for shot in story.shots]
    shots_with_word: dict[str, list[int]] = {}
    for index, caption in enumerate(captions):
        for word in set(_WORD.findall(caption.casefold())):
            shots_with_word.setdefault(word, []).append(index)
    for item in story.characters[:MAX_NAMES]:
        name, flags = _name(item)
        pattern = re.compile(rf"(?<![$-])\b{name}\b(?![-!])", flags)
        word = _WORD.search(name.casefold())
        candidates = shots_with_word.get(word[0], []) if word else []
        found = [index for index in candidates if item.id not in mentioned[index] and pattern.search(captions[index])]
        if found:
            place = source.place_inside(("shots", found[0], "caption"), pattern, 0)
            yield _name_warning(item, story.shots[found[0]], len(found), place)


def _name(item: Declared) -> tuple[str, re.RegexFlag]:
    """A pattern and flags for the proper name of a character in its own case, or else its id in any case."""
    if item.again[:1].isupper():
        return re.escape(item.again), re.RegexFlag(0)
    return re.escape(item.id).replace(r"\-", "[ -]"), re.IGNORECASE  # an invalid id may contain any character


def _name_warning(item: Declared, shot: Shot, count: int, place: Place) -> Diagnostic:
    more = f" and {count - 1} more" if count > 1 else ""
    name = item.again if item.again[:1].isupper() else item.id.replace("-", " ")
    message = f'"{shorten(name)}" in shot "{shot.id}"{more} is written without a dollar sign'
    return _warning("W312", message, place, help=f"write `${item.id}` to get the look of the character")


def _prose(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Every prose value of a story, with its path."""
    yield from (((key,), tree[key]) for key in ("title", "style", "negative") if key in tree)
    for kind in ("characters", "settings"):
        for id, item in tree.get(kind, {}).items():
            yield from (((kind, id, key), item[key]) for key in _PROSE if key in item)
    for index, shot in enumerate(tree.get("shots", [])):
        yield from ((("shots", index, key), shot[key]) for key in ("caption", "negative") if key in shot)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold())) - _STOP_WORDS


def _first_places(text: str) -> dict[str, int]:
    """The position of the first occurrence of each word, case-folded."""
    places: dict[str, int] = {}
    for match in _WORD.finditer(text):
        places.setdefault(match[0].casefold(), match.start())
    return places
