"""Characters of a screenplay: find them by their cues, find their looks, and put `$ids` into the action."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onestory_cli.importers.draft import DraftDeclared, ImportReport, escape
from onestory_cli.importers.fountain import Element
from onestory_cli.importers.names import Names

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MAX_NAME_WORDS = 5  # words
_INTRODUCED = re.compile(r" ?\(([^()]{1,300})\)")
_UNSEEN = re.compile(r"\b(?:v\.? ?o|o\.? ?s|o\.? ?c)\b", re.IGNORECASE)
_CONTINUED = re.compile(r"cont['’]?d\.?|continued|continuing", re.IGNORECASE)  # repeats the name only
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)


@dataclass
class _Person:
    id: str
    name: str
    line: int
    look: str = ""
    shown: bool = False


class People:
    """The characters that speak and are seen while speaking, by name. The search stops above `most`."""

    def __init__(self, elements: Iterable[Element], names: Names, *, most: int) -> None:
        self._people: dict[tuple[str, ...], _Person] = {}
        for element in elements:
            if len(self._people) > most:
                break
            if element.kind != "cue" or _UNSEEN.search(_extension(element.text)):
                continue
            name = spoken_name(element.text)
            key = _key(name)
            if key and len(key) <= _MAX_NAME_WORDS and key not in self._people:
                id = names.new(name, otherwise="character")
                self._people[key] = _Person(id=id, name=name, line=element.line)

    @property
    def count(self) -> int:
        return len(self._people)

    def seen(self, cue: str) -> str:
        """The id of the speaker, or "" for a voice that is only heard."""
        person = None if _UNSEEN.search(_extension(cue)) else self._people.get(_key(spoken_name(cue)))
        if person is None:
            return ""
        person.shown = True
        return person.id

    def refer(self, action: str) -> str:
        """The action with names replaced by `$id`. Brackets after the first mention of a name are its look."""
        words = list(_WORD.finditer(action))
        parts: list[str] = []
        position = index = 0
        while index < len(words):
            found = self._at(action, words, index)
            if found is None:
                index += 1
                continue
            person, count, end = found
            parts += escape(action[position : words[index].start()]), f"${person.id}"
            position = end
            introduced = None if person.shown else _INTRODUCED.match(action, end)
            if introduced and _is_separate(action, words[index].start(), introduced.end()):
                person.look, position = introduced[1].strip(" ."), introduced.end()
            person.shown = True
            index += count
            while index < len(words) and words[index].start() < position:
                index += 1
        return "".join(parts) + escape(action[position:])

    def _at(self, action: str, words: list[re.Match[str]], index: int) -> tuple[_Person, int, int] | None:
        """The person named at word `index`, the number of words, and the end of the name; or None."""
        for count in range(min(_MAX_NAME_WORDS, len(words) - index), 0, -1):
            span = words[index : index + count]
            name = [match[0] for match in span]
            end = span[-1].end()
            if possessive := _POSSESSIVE.search(name[-1]):
                name[-1] = name[-1][: possessive.start()]
                end -= len(possessive[0])
            person = self._people.get(tuple(word.casefold() for word in name))
            capital = all(word[0].isupper() or word[0].isdigit() for word in name if word)
            if person and capital and _is_separate(action, span[0].start(), end):
                return person, count, end
        return None

    def declare(self, report: ImportReport) -> Iterator[DraftDeclared]:
        """The characters that appear in captions. Without a look in the source, the name is the look."""
        for person in self._people.values():
            if not person.shown:
                report.left_out("a character that is in no shot", person.name, line=person.line)
                continue
            look = f"{person.name}, {person.look}" if person.look else person.name
            report.limit("look", look, person.name, line=person.line)
            why = "" if person.look else "no look in the source: describe the character here"
            if why:
                report.no_look(person.name, line=person.line)
            yield DraftDeclared(id=person.id, look=look, again=f"the same {person.name}"[:500], why=why)


def spoken_name(cue: str) -> str:
    """The speaker of a cue: "MAYA (V.O.) ^" gives "Maya"."""
    name = cue.partition("(")[0].rstrip("^ ").strip()
    return " ".join(word.capitalize() for word in name.split()) if name.isupper() else name


def said_by(cue: str) -> str:
    """The speaker and extensions of a cue: "MAYA (V.O.) (CONT'D) ^" gives "Maya (V.O., together)"."""
    marks = [mark for mark in re.findall(r"\(([^()]*)\)", cue) if mark and not _CONTINUED.fullmatch(mark)]
    marks += ["together"] * cue.rstrip().endswith("^")
    return spoken_name(cue) + (f" ({', '.join(marks)})" if marks else "")


def _extension(cue: str) -> str:
    return cue.partition("(")[2]


def _key(name: str) -> tuple[str, ...]:
    return tuple(match[0].casefold() for match in _WORD.finditer(name))


def _is_separate(action: str, start: int, end: int) -> bool:
    """Whether a span can become `$id`: not before `!` or `-x`, which would change the reference."""
    after = action[end : end + 2]
    return (
        action[start - 1 : start] not in ("-", "_")
        and after[:1] not in ("!", "_")
        and not after[:1].isalnum()
        and not (after[:1] == "-" and after[1:].isalnum())
    )
