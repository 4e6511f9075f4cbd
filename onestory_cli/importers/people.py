"""People of a screenplay: who speaks and who is described; and `$id` in place of their names in the action."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onestory_cli.importers.draft import DraftDeclared, ImportReport, ends_reference, escape
from onestory_cli.importers.fountain import Element
from onestory_cli.importers.introductions import ARTICLES, Introduction, introductions, is_qualified, previous_word
from onestory_cli.importers.names import Names
from onestory_cli.story.referential_phrase import word_set
from onestory_cli.utils.text import with_article

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MAX_NAME_WORDS = 5
MAX_ACTION = 10_000  # characters; a longer paragraph is too long for a caption
# Extensions of a cue that say that the speaker is heard but not seen.
_HEARD = re.compile(
    r"\b(?:v\.?\s?/?\s?o|o\.?\s?/?\s?[sc]|o\.?\s?o\.?\s?v|voice[ -]?over|off(?:[ -]?(?:screen|camera|stage))?|filtered|"
    r"(?:on|over|through|from|via) (?:the |a )?(?:radio|phone|telephone|tv|television|intercom|speakers?|loudspeaker|"
    r"recording|tape|headset|comms?|p\.?a)|pre-?lap|narration|hors[ -]champ|aus dem off)\b",
    re.IGNORECASE,
)
_CONTINUED = re.compile(r"cont['’]?d\.?|continued|continuing", re.IGNORECASE)  # repeats the name only
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_TOGETHER = re.compile(r"\s+(?:AND|UND|ET|&|\+)\s+|\s*/\s*|,\s+")
_GROUPS = word_set("all both chorus crowd everybody everyone group others together voice voices")
# Names that are also words: at the start of a sentence they are left alone.
_WORDS = word_set(
    "angel april art august autumn bill bob chance chase christian chuck daisy dawn dean drew earnest eve faith frank "
    "gene grace grant hope iris ivy jack jade jean joy june king lance lily mark may melody miles misty olive pat "
    "penny pierce ray rich robin rose ruby sage skip sunny summer sue ty victor violet wade ward will winter"
)
_SENTENCE_END = '.!?…:;"“”'


@dataclass
class _Person:
    """`name` is what the action calls the person. A role ("cop") has an article, a proper name ("Maya") has none."""

    id: str
    name: str
    line: int
    role: bool = False
    look: str = ""  # the description after the name, with its comma or brackets
    full_name: str = ""
    capitals: bool = False  # a name in capitals has decided `role`
    mentioned: bool = False


class People:
    """The characters of a screenplay by the words of their names. The search stops above `most`."""

    def __init__(self, elements: Iterable[Element], names: Names, *, most: int) -> None:
        self._people: dict[tuple[str, ...], _Person] = {}
        self._names, self._most = names, most
        elements = tuple(elements)
        for element in elements:
            if len(self._people) > most:
                return
            for name in _speakers(element.text) if element.kind == "cue" else ():
                self._add(name, element.line)
        for element in elements:
            for item in introductions(element.text) if _is_scanned(element) else ():
                self._introduce(item, element.line)

    @property
    def count(self) -> int:
        return len({person.id for person in self._people.values()})

    def _add(self, name: str, line: int) -> None:
        key = _key(name)
        if 0 < len(key) <= _MAX_NAME_WORDS and key not in self._people and len(self._people) <= self._most:
            self._people[key] = _Person(id=self._names.new(name, otherwise="character"), name=name, line=line)

    def _introduce(self, item: Introduction, line: int) -> None:
        """Add the look and the full name of a person that is named in capitals, and whether the name is a role."""
        key = _key(item.name)
        if not self._find(key) and item.look and item.is_person and item.bracket is None:
            self._add(_titled(item.name), line)
        person = self._find(key)
        if person is None:
            return
        if not person.capitals:
            person.capitals, person.role = True, item.article
        if item.look and not person.look and (item.bracket is None or item.is_person):
            person.look, person.full_name = item.look, _titled(item.name)
            self._people.setdefault(key, person)

    def _find(self, key: tuple[str, ...]) -> _Person | None:
        """The person of a full name: by all its words, the first or the last."""
        return self._people.get(key) or self._people.get(key[:1]) or self._people.get(key[-1:])

    def seen(self, cue: str) -> list[str]:
        """The ids of the speakers of a cue; none for voices that are only heard."""
        if _HEARD.search(cue.partition("(")[2]):
            return []
        found = [self._people[_key(name)] for name in _speakers(cue) if _key(name) in self._people]
        for person in found:
            person.mentioned = True
        return [person.id for person in found]

    def refer(self, action: str) -> str:
        """The action with `$id` in place of names, and of the look at the first mention."""
        if len(action) > MAX_ACTION:
            return escape(action)
        action = self._without_later_looks(action)
        looks = {item.start: item for item in introductions(action) if item.look}
        words = list(_WORD.finditer(action))
        parts: list[str] = []
        position = index = 0
        while index < len(words):
            found = self._at(action, words, index)
            if found is None:
                index += 1
                continue
            person, start, end = found
            if (item := looks.get(words[index].start())) and not person.mentioned and item.look == person.look:
                end = max(end, item.end) if _is_separate(action, start, max(end, item.end)) else end
            person.mentioned = True
            parts += escape(action[position:start]), f"${person.id}"
            position = end
            while index < len(words) and words[index].start() < position:
                index += 1
        return "".join(parts) + escape(action[position:])

    def _without_later_looks(self, action: str) -> str:
        """The action without descriptions later in a sentence, which `$id` will repeat."""
        for item in reversed(list(introductions(action))):
            person = self._find(_key(item.name))
            if item.bracket and person and not person.mentioned and person.look == item.look:
                action = action[: item.bracket[0]].rstrip() + action[item.bracket[1] :]
        return action

    def _at(self, action: str, words: list[re.Match[str]], index: int) -> tuple[_Person, int, int] | None:
        """The person named at word `index` and the span that `$id` replaces, or None if the text must stay."""
        for count in range(min(_MAX_NAME_WORDS, len(words) - index), 0, -1):
            span = words[index : index + count]
            name = [match[0] for match in span]
            end = span[-1].end()
            if possessive := _POSSESSIVE.search(name[-1]):
                name[-1] = name[-1][: possessive.start()]
                end -= len(possessive[0])
            person = self._people.get(_key(" ".join(name)))
            if person is None or not _is_separate(action, span[0].start(), end):
                continue
            if possessive and person.look and not person.mentioned:
                continue  # "Maya (20, red hair)'s hand"
            start = _start(person, name, action, words, index)
            if start is not None:
                return person, start, end
        return None

    def declare(self, report: ImportReport) -> Iterator[DraftDeclared]:
        """Every character. Without a description in the source, the name is the look."""
        for person in {person.id: person for person in self._people.values()}.values():
            name = person.name.lower() if person.role else person.name
            base = with_article(name) if person.role else person.full_name or name
            report.limit("look", base + person.look, name, line=person.line)
            why = "" if person.look else "no look in the source: describe the character here"
            if why:
                report.no_look(name, line=person.line)
            again = f"the same {name}" if person.role else name
            yield DraftDeclared(id=person.id, look=base + person.look, again=again[:500], why=why)


def _is_scanned(element: Element) -> bool:
    return element.kind == "action" and len(element.text) <= MAX_ACTION


def _start(person: _Person, name: list[str], action: str, words: list[re.Match[str]], index: int) -> int | None:
    """Where the text that `$id` replaces starts; None if the name is a word here, or qualified: "this Anna"."""
    start = words[index].start()
    capitals = all(word.isupper() and len(word) > 1 for word in name)
    if not all(word[:1].isupper() or word[:1].isdigit() for word in name):
        return None
    before = previous_word(action, words, index)
    if person.role:
        if before.casefold() in ARTICLES:
            return words[index - 1].start()
        return start if capitals and not is_qualified(action, words, index) else None
    if is_qualified(action, words, index):
        return None
    ambiguous = len(name) == 1 and (name[0].casefold() in _WORDS or len(name[0]) == 1)
    starts_sentence = start == 0 or action[max(0, start - 8) : start].rstrip()[-1:] in _SENTENCE_END
    if ambiguous and not capitals and (starts_sentence or name[0] in ("A", "I")):
        return None
    return start


def _speakers(cue: str) -> list[str]:
    """The names of a cue: "MAYA AND TOM (V.O.) ^" gives "Maya" and "Tom"; none for a group such as "ALL"."""
    names = [_titled(name) for name in _TOGETHER.split(_bare(cue)) if name.strip()]
    return [name for name in names if name.casefold() not in _GROUPS]


def said_by(cue: str) -> str:
    """The speaker and extensions of a cue: "MAYA (V.O.) (CONT'D) ^" gives "Maya (V.O., together)"."""
    marks = [mark for mark in re.findall(r"\(([^()]*)\)", cue) if mark and not _CONTINUED.fullmatch(mark)]
    marks += ["together"] * cue.rstrip().endswith("^")
    return " ".join(filter(None, (_titled(_bare(cue)), f"({', '.join(marks)})" if marks else "")))


def _bare(cue: str) -> str:
    name = cue.partition("(")[0].rstrip("^ ").strip()
    return re.sub(r"^(?:THE|AN?) (?=\w)", "", name)


def _titled(name: str) -> str:
    """A name in capitals as it is written in prose: "MAYA O'NEIL" gives "Maya O'Neil"."""
    if not name.isupper():
        return name
    words = " ".join(word.capitalize() for word in name.split())
    return re.sub(r"\b([OD]['’])(\w)", lambda match: match[1] + match[2].upper(), words)


def _key(name: str) -> tuple[str, ...]:
    return tuple(match[0].casefold().replace("’", "'") for match in _WORD.finditer(name))


def _is_separate(action: str, start: int, end: int) -> bool:
    """Whether a span can become `$id`, which what is before or after it could change."""
    return action[start - 1 : start] not in ("-", "_") and ends_reference(action, end)
