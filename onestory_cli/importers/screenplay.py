"""Fountain elements -> Draft: headings become settings, action becomes captions, speakers become characters.

Every paragraph of action is a shot, as screenwriters intend. Dialogue becomes subtitles.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from onestory_cli.importers.draft import MAX_SHOTS, Draft, DraftDeclared, DraftShot, ImportReport, escape
from onestory_cli.importers.fountain import PREFIX, Element, Screenplay, parse
from onestory_cli.importers.names import Names
from onestory_cli.importers.people import People, said_by
from onestory_cli.story.text import Text

_MAX_DECLARED = 2000  # characters and settings
_DASH = re.compile(r"\s*(?:--|–|—)\s*| - ")
# Times of day in headings of several languages, as words of a caption.
_TIMES = {
    **dict.fromkeys(("day", "tag", "jour", "día", "dia", "giorno", "daytime"), "by day"),
    **dict.fromkeys(("night", "nacht", "nuit", "noche", "notte"), "at night"),
    **dict.fromkeys(("dawn", "morgengrauen", "aube", "alba", "first light"), "at dawn"),
    **dict.fromkeys(("dusk", "dämmerung", "crépuscule", "twilight"), "at dusk"),
    **dict.fromkeys(("morning", "morgen", "matin", "mañana", "mattina"), "in the morning"),
    **dict.fromkeys(("afternoon", "nachmittag", "après-midi", "tarde", "pomeriggio"), "in the afternoon"),
    **dict.fromkeys(("evening", "abend", "soir", "sera"), "in the evening"),
    "noon": "at noon",
    "midday": "at noon",
    "midnight": "at midnight",
    "sunset": "at sunset",
    "sunrise": "at sunrise",
    "magic hour": "at sunset",
}
_RELATIVE = re.compile(
    r"(?:(?:an?|the|one|two|three|four|five|six|ten|some|many|several|few|couple of|\d+) ){0,2}"
    r"(?:(?:bit|beat|moments?|seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?|shortly|much|while) )?"
    r"(?:later|earlier|continuous|continuing|continued|cont['’]?d|same(?: time| day| night| morning| evening)?|"
    r"(?:later )?(?:that|the|the same|the next|the following|next|following) (?:day|morning|afternoon|evening|night))"
)
_CUTS = {"CUT TO", "SMASH CUT TO", "HARD CUT TO"}
_DIALOGUE = "`--subtitles` shows it; record it and add `audio: {role: narration}` to hear it"
_MAX_SUBTITLE = 1000  # characters, as in the schema
# A page of a screenplay is a minute: 54 lines, of 61 characters in action and 35 in dialogue.
_SECONDS_PER_LINE = 60 / 54
_ACTION_WIDTH, _DIALOGUE_WIDTH = 61, 35
_MIN_SECONDS = 1.5  # of a shot
_PARENTHETICAL = re.compile(r"\([^()]*\)\s*")


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
    settings = builder.settings
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


@dataclass(frozen=True, kw_only=True)
class _HeadingPlace:
    """A place of a heading: "the house", "interior"; and the time of day in words, or ""."""

    name: str
    where: str
    time: str


@dataclass
class _OpenShot:
    """The shot under construction. `setting` is an id, or ""; `time` is the time of day in words, or ""."""

    line: int
    setting: str
    time: str
    caption: str = ""
    page_lines: int = 0  # on the page, with the empty lines after them
    speakers: dict[str, None] = field(default_factory=dict)  # in order
    lines: list[str] = field(default_factory=list)  # of dialogue
    notes: dict[str, list[str]] = field(default_factory=dict)


class _ShotBuilder:
    """Divides a screenplay into shots, and collects their settings by place and side."""

    def __init__(self, people: People, names: Names, report: ImportReport) -> None:
        self._people, self._names, self._report = people, names, report
        self._places: dict[tuple[str, str], _HeadingPlace] = {}
        self._sides: Counter[str] = Counter()  # interior and exterior settings of a place
        self._ids: dict[tuple[str, str], str] = {}
        self._times: dict[str, str] = {}  # last time of day by place; "" is that of the last heading
        self._shots: list[DraftShot] = []
        self._shots_at: Counter[str] = Counter()
        self._open: _OpenShot | None = None
        self._setting = self._time = ""
        self._empty_heading = 0  # line of a heading that has no shot yet, or 0
        self._ahead: dict[str, list[str]] = {}  # notes for the next shot
        self._speaker = ""

    @property
    def count(self) -> int:
        """The number of finished shots."""
        return len(self._shots)

    @property
    def settings(self) -> tuple[DraftDeclared, ...]:
        """The settings. `again` says interior or exterior where the film has both."""
        declared = []
        for key, place in self._places.items():
            look = f"{place.name}, {place.where}" if place.where else place.name
            again = f"the same {re.sub('^(the|an?) ', '', place.name)}"[:450]
            again += f" {place.where}" if self._sides[key[0]] > 1 and place.where else ""
            declared.append(DraftDeclared(id=self._ids[key], look=look, again=again))
        return tuple(declared)

    def take(self, element: Element) -> None:
        """Add an element to the open shot, start a new one, or keep it as a note."""
        match element.kind:
            case "heading":
                self._heading(element)
            case "action":
                self._start(element.line, self._people.refer(element.text))
            case "cue":
                self._cue(element)
            case "dialogue":
                self._dialogue(element)
            case "transition" if element.text.upper().rstrip(":. ") not in _CUTS:
                self._note_ahead("x-transition", "a transition", element)
            case "title":
                self._note_ahead("x-title", "a title card", element)
            case "section":
                self._note_ahead("x-section", "a section", element)
            case "note" if element.inline and element.text and self._open:
                self._report.kept(_note(element), "note", "", line=element.line)
                self._open.notes.setdefault("note", []).append(element.text)
            case "synopsis" | "note" if element.text:
                self._note_ahead("note", _note(element), element)
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
        if element.number:
            self._report.left_out("a scene number", "", line=element.line)
        place = _place_of_heading(element.text)
        name = place.name.casefold()
        if not place.where and _RELATIVE.fullmatch(name):  # "LATER": the place and the time of day stay
            self._note_ahead("x-time", "a relative time", replace(element, text=name))
            return
        if _RELATIVE.fullmatch(place.time):
            self._note_ahead("x-time", "a relative time", replace(element, text=place.time))
            self._time = _time_in(place.time) or self._times.get(name, self._times.get("", ""))
        else:
            self._time = place.time
        self._times[name] = self._times[""] = self._time
        self._setting, self._empty_heading = "", element.line
        if name:
            self._setting = self._setting_of(place, element.line)

    def _setting_of(self, place: _HeadingPlace, line: int) -> str:
        """The id of the setting of a place, which DAY and NIGHT share."""
        key = (place.name.casefold(), place.where)
        if key not in self._places:
            name = f"{place.name} {place.where}" if key[0] in self._sides else place.name
            self._ids[key] = self._names.new(name, otherwise="place")
            self._sides[key[0]] += 1
            self._places[key] = place
            self._report.limit("look", f"{place.name}, {place.where}", "", line=line)
        return self._ids[key]

    def _start(self, line: int, caption: str) -> _OpenShot:
        self._close(established=True)
        self._open = _OpenShot(line=line, setting=self._setting, time=self._time, caption=caption, notes=self._ahead)
        action = len(caption) // _ACTION_WIDTH + 2 if caption else 0
        self._open.page_lines = action + (2 if self._empty_heading else 0)
        self._ahead, self._empty_heading = {}, 0
        return self._open

    def _cue(self, element: Element) -> None:
        self._speaker = element.text
        shot = self._open or self._start(element.line, "")
        for who in self._people.seen(element.text):
            if not re.search(rf"\${who}(?![\w-]*\w)", shot.caption):
                shot.speakers[who] = None

    def _dialogue(self, element: Element) -> None:
        shot = self._open or self._start(element.line, "")
        shot.page_lines += 2 + len(element.text) // _DIALOGUE_WIDTH + 1
        self._report.kept("dialogue", "subtitle", "", help=_DIALOGUE, line=element.line)
        speaker, words = said_by(self._speaker), _PARENTHETICAL.sub("", element.text).strip()
        if words:
            shot.lines.append(f"{speaker.partition(' (')[0]}: {words}")
        if words != element.text or "(" in speaker:
            shot.notes.setdefault("x-dialogue", []).append(f"{speaker}: {element.text}")

    def _note_ahead(self, key: str, what: str, element: Element) -> None:
        self._report.kept(what, key, "", line=element.line)
        self._ahead.setdefault(key, []).append(element.text)

    def _close(self, *, established: bool = False) -> None:
        """Finish the open shot. A heading without action becomes a shot of its place."""
        shot, self._open = self._open, None
        if shot is None and self._empty_heading and self._setting and not established:
            shot = _OpenShot(line=self._empty_heading, setting=self._setting, time=self._time, notes=self._ahead)
            shot.page_lines = 2
            self._ahead, self._empty_heading = {}, 0
        if shot is None:
            return
        caption = _sentences(shot)
        self._report.limit("caption", caption, "", line=shot.line)
        subtitle = "\n".join(shot.lines)
        if len(subtitle) > _MAX_SUBTITLE:
            subtitle, shot.notes["x-dialogue"] = "", [*shot.notes.get("x-dialogue", []), *shot.lines]
        place = shot.setting or "shot"
        self._shots_at[place] += 1
        notes = {key: "\n".join(lines) for key, lines in shot.notes.items()}
        id = f"{place}-{self._shots_at[place]}"
        seconds = max(_MIN_SECONDS, round(shot.page_lines * _SECONDS_PER_LINE * 2) / 2)
        self._shots.append(
            DraftShot(id=id, caption=caption, notes=notes, subtitle=subtitle, seconds=seconds, estimated=True)
        )


def _note(element: Element) -> str:
    return f"a {element.kind}" if element.closed else "an unclosed note, which ends at the next empty line,"


def _sentences(shot: _OpenShot) -> str:
    """The caption: action, speakers, place and time."""
    parts = [shot.caption] if shot.caption else []
    if parts and parts[0][-1] not in ".!?…":
        parts[0] += "."
    parts += [f"${who} speaks." for who in shot.speakers]
    if shot.setting:
        parts.append(f"${shot.setting}, {escape(shot.time)}." if shot.time else f"${shot.setting}.")
    return " ".join(parts) or "An empty scene."


def _place_of_heading(words: str) -> _HeadingPlace:
    """The place of a heading: "EXT. HARBOUR - NIGHT" is the harbour, exterior, at night."""
    prefix = PREFIX.match(words)
    where = _where(prefix["where"]) if prefix else ""
    parts = [part.strip(" .-,") for part in _DASH.split(words[prefix.end() if prefix else 0 :])]
    parts = [part for part in parts if part]
    time = ""
    if len(parts) > 1 or (parts and parts[0].lower() in _TIMES and not prefix):
        time = parts.pop().lower() if len(parts) > 1 else ""
    if parts and (comma := re.fullmatch(r"(.+), ([^,]+)", parts[-1])) and not time and _is_time(comma[2]):
        parts[-1], time = comma[1], comma[2].lower()
    name = " - ".join(parts)
    name = name.lower() if name.isupper() else name
    return _HeadingPlace(name=name, where=where, time=_TIMES.get(time, time))


def _is_time(words: str) -> bool:
    return words.lower() in _TIMES or bool(_RELATIVE.fullmatch(words.lower()))


def _time_in(relative: str) -> str:
    """The time of day in a relative time such as "the next morning"; "" for "two weeks later" and "the next day"."""
    found = next((time for word, time in _TIMES.items() if relative.endswith(f" {word}")), "")
    return "" if found == "by day" else found


def _where(prefix: str) -> str:
    """Interior or exterior, or both, of the first letters of a prefix: "INT. / EXT.", "AUSSEN"."""
    sides = {"i": "interior", "e": "exterior", "a": "exterior"}
    found = {sides[part.strip(" .")[0].lower()] for part in prefix.split("/")}
    return " and ".join(sorted(found, reverse=True))
