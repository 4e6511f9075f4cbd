"""Fountain elements -> Draft: headings become settings, action becomes captions, speakers become characters.

Every paragraph of action is a shot, as screenwriters intend. Dialogue is kept as a note.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from onestory_cli.importers.draft import MAX_SHOTS, Draft, DraftDeclared, DraftShot, ImportReport
from onestory_cli.importers.fountain import Element, Screenplay, parse
from onestory_cli.importers.names import Names
from onestory_cli.importers.people import People, said_by
from onestory_cli.story.text import Text

_MAX_DECLARED = 2000  # characters and settings
_SCENE_NUMBER = re.compile(r"\s*#[^#\s]*#$")
_DASH = re.compile(r" (?:--|–|—) ")
_PREFIX = re.compile(r"(?P<where>int\.?/ext|i/e|int|ext|est)[. ]+", re.IGNORECASE)
_WHERE = {"int": "interior", "ext": "exterior", "est": "exterior"}
_TIMES = {
    "day": "by day",
    "night": "at night",
    "dawn": "at dawn",
    "dusk": "at dusk",
    "noon": "at noon",
    "midnight": "at midnight",
    "sunset": "at sunset",
    "sunrise": "at sunrise",
    "morning": "in the morning",
    "afternoon": "in the afternoon",
    "evening": "in the evening",
}
_RELATIVE_TIME = re.compile(r" - (continuous|later|moments later|same|same time)[ .-]*$", re.IGNORECASE)
_DIALOGUE = "`subtitle:` can show it, and `audio: {role: narration}` can play a recording of it"
_CUTS = {"CUT TO:", "SMASH CUT TO:", "HARD CUT TO:", "CUT TO", "SMASH CUT TO", "HARD CUT TO"}


def from_fountain(text: Text, report: ImportReport) -> Draft:
    """A screenplay as a draft. What cannot be seen (dialogue, notes, transitions) is kept as notes or reported."""
    screenplay = parse(text)
    names = Names()
    people = People(screenplay.elements, names, most=_MAX_DECLARED)
    _require_room(people.count, _MAX_DECLARED, "characters", report)
    builder = _ShotBuilder(people, names, report)
    for element in screenplay.elements:
        builder.take(element)
        _require_room(builder.count, MAX_SHOTS, "shots", report)
    shots = builder.finish()
    _require_room(len(shots), MAX_SHOTS, "shots", report)
    if not shots:
        report.fault("the screenplay has no action", "the whole file")
    characters = tuple(people.declare(report))
    settings = tuple(builder.settings.values())
    if len(characters) + len(settings) > _MAX_DECLARED:
        many = f"{len(characters)} characters and {len(settings)} settings; the maximum is {_MAX_DECLARED} together"
        report.too_much(many, "the whole file")
    title, note = _title_page(screenplay, report)
    return Draft(title=title, note=note, shots=tuple(shots), characters=characters, settings=settings)


def _require_room(count: int, most: int, what: str, report: ImportReport) -> None:
    """Stop if there are more than a story can have.

    Raises:
        Findings: I703; the rest of the source is not read.
    """
    if count > most:
        report.too_much(f"more than {most} {what}", "the whole file")
        report.refuse()


def _title_page(screenplay: Screenplay, report: ImportReport) -> tuple[str, str]:
    values = dict(screenplay.title_page)
    title = values.pop("title", "")
    report.limit("title", title, "the title page")
    note = "\n".join(f"{key}: {value}" for key, value in values.items() if value)
    if note:
        report.kept("the title page", "note", "")
    return title, note


@dataclass
class _Open:
    """The shot under construction. `setting` is an id, or ""."""

    line: int
    setting: str
    caption: str = ""
    speakers: dict[str, None] = field(default_factory=dict)  # in order
    notes: dict[str, list[str]] = field(default_factory=dict)


class _ShotBuilder:
    """Divides a screenplay into shots. `settings` are by look."""

    def __init__(self, people: People, names: Names, report: ImportReport) -> None:
        self._people, self._names, self._report = people, names, report
        self.settings: dict[str, DraftDeclared] = {}
        self._shots: list[DraftShot] = []
        self._shots_at: Counter[str] = Counter()
        self._open: _Open | None = None
        self._setting = ""
        self._empty_heading = 0  # line of a heading that has no shot yet, or 0
        self._ahead: dict[str, list[str]] = {}  # notes for the next shot
        self._speaker = ""

    @property
    def count(self) -> int:
        """The number of finished shots."""
        return len(self._shots)

    def take(self, element: Element) -> None:
        match element.kind:
            case "heading":
                self._heading(element)
            case "action":
                self._start(element.line, self._people.refer(element.text))
            case "cue":
                self._cue(element)
            case "dialogue":
                self._said(element)
            case "transition" if element.text.upper() not in _CUTS:
                self._note_ahead("x-transition", "a transition", element)
            case "section":
                self._note_ahead("x-section", "a section", element)
            case "note" if element.inline and element.text and self._open:
                self._report.kept("a note", "note", "", line=element.line)
                self._open.notes.setdefault("note", []).append(element.text)
            case "synopsis" | "note" if element.text:
                self._note_ahead("note", f"a {element.kind}", element)
            case "boneyard" | "page break":
                self._report.left_out(f"a {element.kind}", "", line=element.line)

    def finish(self) -> list[DraftShot]:
        """All shots. Notes after the last shot are added to it."""
        self._close()
        if self._ahead and self._shots:
            last = self._shots[-1]
            notes = [last.notes, {key: "\n".join(lines) for key, lines in self._ahead.items()}]
            keys = dict.fromkeys(key for layer in notes for key in layer)
            joined = {key: "\n".join(layer[key] for layer in notes if key in layer) for key in keys}
            self._shots[-1] = replace(last, notes=joined)
        return self._shots

    def _heading(self, element: Element) -> None:
        self._close()
        words = _DASH.sub(" - ", _SCENE_NUMBER.sub("", element.text))
        if _SCENE_NUMBER.search(element.text):
            self._report.left_out("a scene number", "", line=element.line)
        if time := _RELATIVE_TIME.search(words):
            self._note_ahead("x-time", "a relative time", replace(element, text=time[1].lower()))
        look, short = _look_of_heading(_RELATIVE_TIME.sub("", words))
        self._setting, self._empty_heading = "", element.line
        if not look:
            return
        if look not in self.settings:
            id = self._names.new(short, otherwise="place")
            self._report.limit("look", look, "", line=element.line)
            self.settings[look] = DraftDeclared(id=id, look=look, again=_again(short))
        self._setting = self.settings[look].id

    def _start(self, line: int, caption: str) -> _Open:
        self._close(established=True)
        self._open = _Open(line=line, setting=self._setting, caption=caption, notes=self._ahead)
        self._ahead, self._empty_heading = {}, 0
        return self._open

    def _cue(self, element: Element) -> None:
        self._speaker = element.text
        shot = self._open or self._start(element.line, "")
        who = self._people.seen(element.text)
        if who and who not in shot.speakers and f"${who}" not in shot.caption:
            shot.speakers[who] = None

    def _said(self, element: Element) -> None:
        shot = self._open or self._start(element.line, "")
        self._report.kept(
            "dialogue",
            "x-dialogue",
            "",
            help=_DIALOGUE,
            line=element.line,
        )
        shot.notes.setdefault("x-dialogue", []).append(f"{said_by(self._speaker)}: {element.text}")

    def _note_ahead(self, key: str, what: str, element: Element) -> None:
        self._report.kept(what, key, "", line=element.line)
        self._ahead.setdefault(key, []).append(element.text)

    def _close(self, *, established: bool = False) -> None:
        """Finish the open shot. A heading without action becomes a shot of its place."""
        shot, self._open = self._open, None
        if shot is None and self._empty_heading and self._setting and not established:
            shot = _Open(line=self._empty_heading, setting=self._setting, notes=self._ahead)
            self._ahead, self._empty_heading = {}, 0
        if shot is None:
            return
        caption = _sentences(shot)
        self._report.limit("caption", caption, "", line=shot.line)
        place = shot.setting or "shot"
        self._shots_at[place] += 1
        id = f"{place}-{self._shots_at[place]}"
        notes = {key: "\n".join(lines) for key, lines in shot.notes.items()}
        self._shots.append(DraftShot(id=id, caption=caption, notes=notes))


def _sentences(shot: _Open) -> str:
    """The caption: action, speakers, place."""
    parts = [shot.caption] if shot.caption else []
    if parts and parts[0][-1] not in ".!?…":
        parts[0] += "."
    parts += [f"${who} speaks." for who in shot.speakers]
    if shot.setting:
        parts.append(f"${shot.setting}.")
    return " ".join(parts) or "An empty scene."


def _again(place: str) -> str:
    return f"the same {re.sub('^(the|an?) ', '', place)}"[:500]


def _look_of_heading(words: str) -> tuple[str, str]:
    """The look and short name of a place: "harbour at night, exterior", "harbour at night"; both may be empty."""
    prefix = _PREFIX.match(words)
    where = _WHERE.get(prefix["where"].lower(), "interior and exterior") if prefix else ""
    place, _, time = words[prefix.end() if prefix else 0 :].rpartition(" - ")
    if not place:
        place, time = time, ""
    place, time = place.strip(" .-"), time.strip(" .-").lower()
    place = place.lower() if place.isupper() else place
    if time:
        place = f"{place} {_TIMES[time]}" if time in _TIMES else f"{place}, {time}"
    return (f"{place}, {where}" if where and place else place), place
