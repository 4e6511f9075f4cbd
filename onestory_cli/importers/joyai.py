"""Requests of JoyAI-Echo: a JSON file per video of several shots, whose people have labels such as ID_A."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

from onestory_cli.importers.draft import Draft, ImportReport
from onestory_cli.importers.entities import ScriptEntity
from onestory_cli.importers.rows import ShotRow, bounded, draft_of_rows, sentence
from onestory_cli.importers.values import Node, list_of

_LABEL = r"ID_[A-Z0-9]{1,4}"
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[.!?]\")\s+")
_IS = re.compile(rf"({_LABEL}) is ((?:[A-Z][\w'’-]{{1,30}} ?){{1,4}})(?:,| [^.]{{0,100}}?,? is) (.+?)\.?")
_WEARS = re.compile(rf"(?:{_LABEL}|He|She|They) (wears?|carries) (.+?)\.?")
_VOICE = re.compile(rf"(?:{_LABEL}['’]s|(?:His|Her) ) ?(?:voice|mouth|lips?)\b")
_COUNT = re.compile(r"This video has (?:exactly )?\d+[^.]*\.")
_TIME = r"\d{1,4}:\d{1,4}(?:\.\d{0,20})?"
_SHOT = re.compile(rf"\bshot ?\d{{1,2}}(?:, from (?P<start>{_TIME}) to (?:{_TIME}|the end))?:\s*")
_SPOKEN = re.compile(r"(?:,| exactly:|:)? ?[\"“]([^\"”]{1,500})[\"”]\.?")
_LABELLED = re.compile(rf"(?s).{{0,300}}?\b{_LABEL} is [A-Z]")
_NUMBER = re.compile(r"[a-z]+_\d+[a-z]?(?=_|$)")  # in a shot_id such as "shot_005b_v8_rusk_enters"
_KEYS = ("shot_id", "prompt", "condition_img", "memory_slots", "duration_sec", "work_id")
_MAX_PARTS = 100  # of a prompt
_TITLES = ("Captain", "Doctor", "Dr", "Mr", "Mrs", "Ms", "Miss", "Professor", "General", "Officer", "Sir", "Lady")


def sign_of_joyai(node: Node) -> str:
    """Why a map is of this format, or ""."""
    requests = _requests(node)
    if requests and {"shot_id", "memory_slots"} <= requests[0].keys():
        return 'the keys "shot_id" and "memory_slots"'
    return (
        'prompts with labels such as "ID_A"' if any(_LABELLED.match(str(item["prompt"])) for item in requests) else ""
    )


def _requests(node: Node) -> list[dict[str, Any]]:
    """The requests of a folder, the one in a file, or those of a list of prompts; [] in other formats."""
    if "memory_slots" in node:
        return [{key: node.peek(key) for key in _KEYS}]
    items = [*list_of(node.peek("shots")), *({"prompt": text} for text in list_of(node.peek("prompts")))]
    return items if all(isinstance(item, dict) and "prompt" in item for item in items) else []


def from_joyai(node: Node, report: ImportReport) -> Draft:
    """`work_id, shot_id, prompt, condition_img, memory_slots[], duration_sec` per file, for each video.

    Each `shot1:` of a prompt becomes a shot. `ID_A is Nathan Vale, a lean man.` declares a character.
    """
    requests = _requests(node)
    node.use("shots", "prompts", *_KEYS)
    node.report_unused()
    people = _LabelledPeople(report)
    rows = [row for at, item in enumerate(requests) for row in _rows(item, f"request {at + 1}", people, report)]
    title = next((str(item["work_id"]) for item in requests if item.get("work_id")), "")
    return draft_of_rows(rows, report, title=title[:200], entities=people.entities())


def _rows(request: dict[str, Any], where: str, people: _LabelledPeople, report: ImportReport) -> Iterator[ShotRow]:
    """The shots of a request."""
    if request.get("memory_slots"):
        help = "onestory selects what a shot remembers; `memory:` of a shot names other sources"
        report.left_out("a list of memory slots", where, help=help)
    prompt = request.get("prompt")
    if not isinstance(prompt, str):
        report.fault('"prompt" is missing', where)
        return
    report.limit("caption", prompt, where)
    report.refuse()
    name = str(request.get("shot_id") or where.replace("request", "shot"))
    short = match[0] if (match := _NUMBER.match(name)) else name
    parts = list(_parts(_COUNT.sub("", prompt), _seconds(request)))
    for number, (text, seconds) in enumerate(parts, start=1):
        caption = people.take(text, where)
        picture = request.get("condition_img") if number == 1 else None
        yield ShotRow(
            text=_SPOKEN.sub(".", caption) or text,
            where=where,
            id=f"{short}-{number}" if len(parts) > 1 else short,
            seconds=seconds,
            dialogue=" ".join(_SPOKEN.findall(caption)),
            image=picture if isinstance(picture, str) else "",
        )


def _seconds(request: dict[str, Any]) -> float | None:
    seconds = request.get("duration_sec")
    return bounded(float(seconds)) if isinstance(seconds, int | float) else None


def _parts(prompt: str, seconds: float | None) -> Iterator[tuple[str, float | None]]:
    """The text and length of each shot. Text before the first and after the last belongs to all of them."""
    marks = list(islice(_SHOT.finditer(prompt), _MAX_PARTS))
    if not marks:
        yield " ".join(prompt.split()), seconds
        return
    before = prompt[: marks[0].start()]
    texts = [
        prompt[mark.end() : later.start() if later else None]
        for mark, later in zip(marks, [*marks[1:], None], strict=True)
    ]
    texts[-1], _, after = texts[-1].partition("\n\n")
    for text, length in zip(texts, _lengths(marks, seconds), strict=True):
        yield " ".join(f"{before} {text} {after}".split()), length


def _lengths(marks: Sequence[re.Match[str]], seconds: float | None) -> list[float | None]:
    """The length of each shot by its times, or equal parts of the video."""
    if not seconds:
        return [None] * len(marks)
    starts = [_clock(mark["start"]) for mark in marks if mark["start"]]
    if len(starts) < len(marks):
        return [bounded(round(seconds / len(marks), 2))] * len(marks)
    return [bounded(round(end - start, 2)) for start, end in pairwise([*starts, seconds])]


def _clock(text: str) -> float:
    minutes, _, seconds = text.partition(":")
    return int(minutes) * 60 + float(seconds)


@dataclass
class _LabelledPerson:
    name: str
    look: str
    worn: list[str] = field(default_factory=list)


class _LabelledPeople:
    """Collects people from the sentences that describe them, and takes these sentences out of captions."""

    def __init__(self, report: ImportReport) -> None:
        self._people: dict[str, _LabelledPerson] = {}
        self._report = report

    def take(self, text: str, where: str) -> str:
        """A caption without the sentences that describe people for the first time or again."""
        rest: list[str] = []
        label = ""  # of the person whom the last sentence described
        new = False
        for words in _SENTENCE.split(text):
            if match := _IS.fullmatch(words):
                label, new = match[1], match[1] not in self._people
                self._people.setdefault(label, _LabelledPerson(match[2].strip(), match[3].strip(" ,")))
            elif _VOICE.match(words):
                self._report.left_out("the description of a voice", where, help="record it: `audio:` of a shot")
            elif label and (worn := _WEARS.fullmatch(words)):
                rest += self._dress(label, worn, new)
            else:
                label = ""
                rest.append(words)
        caption = " ".join(rest)
        shown = self._people.keys() & set(re.findall(rf"\b{_LABEL}\b", text))
        missing = [label for label in shown if not self._is_named(label, caption)]
        return " ".join((caption, *(sentence(label) for label in sorted(missing)))) if caption else ""

    def _is_named(self, label: str, caption: str) -> bool:
        person = self._people[label]
        names = {label, person.name, *_short_names(person.name)}
        return any(re.search(rf"\b{re.escape(name)}\b", caption) for name in names)

    def _dress(self, label: str, words: re.Match[str], new: bool) -> list[str]:
        """Add what a new person wears to the look; a sentence for the caption if a known one wears something else."""
        verb = {"wear": "wearing", "carr": "carrying"}[words[1][:4]]
        worn = f"{verb} {re.sub(r',? and carries ', ', carrying ', words[2])}"
        person = self._people[label]
        if new:
            person.worn.append(worn)
        return [] if worn in person.worn else [f"{label} {words[1]} {words[2]}."]

    def entities(self) -> Iterator[ScriptEntity]:
        """The people as characters, who are known by label, full name and first or last name."""
        counts = Counter(name for person in self._people.values() for name in _short_names(person.name))
        for label, person in self._people.items():
            look = ", ".join((person.name, person.look, *person.worn))
            short = [name for name in _short_names(person.name) if counts[name] == 1]
            yield ScriptEntity(
                name=short[0] if short else person.name,
                kind="character",
                look=look,
                again=person.name,
                aliases=(label, person.name, *short[1:]),
            )


def _short_names(name: str) -> list[str]:
    """The first and last name in a full name: "Rusk" for "Captain Rusk"."""
    words = [word for word in name.split() if word.rstrip(".") not in _TITLES]
    return list(dict.fromkeys((words[0], words[-1]))) if words else []
