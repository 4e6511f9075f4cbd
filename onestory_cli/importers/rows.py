"""Rows of shots -> Draft: what shot lists, storyboards and plain prompts have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onestory_cli.importers.cast import people_in
from onestory_cli.importers.draft import Draft, DraftShot, ImportReport
from onestory_cli.importers.entities import Registry, ScriptEntity, described
from onestory_cli.importers.names import Names

_TIME = re.compile(r"(?:(?P<minutes>\d+):)?(?P<seconds>\d+(?:[.,]\d+)?)\s*(?:s|sec|secs|seconds?|\"|″)?", re.IGNORECASE)
_MAX_SECONDS = 3600.0
_FPS = 16.0  # of a column that counts frames

# Field -> the headings and keys that name it, in lower case without spaces and signs.
FIELDS = {
    "caption": (
        *("caption", "prompt", "videoprompt", "description", "shotdescription", "action", "visual", "visuals"),
        *("visualdescription", "content", "text", "whatwesee", "shotcontent", "picture", "details", "scenedescription"),
        *("beschreibung", "handlung", "bild", "plan"),
    ),
    "id": ("shot", "shotnumber", "shotno", "shotid", "id", "number", "no", "nr", "index", "setup", "einstellung"),
    "scene": ("scene", "scenenumber", "sceneno", "sceneid", "szene"),
    "place": ("location", "setting", "place", "set", "ort", "drehort", "environment", "background"),
    "people": ("characters", "character", "cast", "people", "talent", "actors", "subject", "subjects", "figuren"),
    "duration": ("duration", "length", "time", "seconds", "durationsec", "durationseconds", "dur", "dauer", "länge"),
    "frames": ("framenumber", "frames", "numframes"),
    "dialogue": (
        "dialogue",
        "dialog",
        "dialogues",
        "line",
        "lines",
        "voiceover",
        "vo",
        "narration",
        "subtitle",
        "audio",
    ),
    "image": ("image", "storyboard", "reference", "referenceimage", "frame", "thumbnail", "firstframe"),
    "size": ("shotsize", "shottype", "type", "size", "framing", "angle", "cameraangle", "einstellungsgröße"),
    "camera": ("camera", "movement", "cameramovement", "motion", "move", "cameramotion"),
    "note": ("notes", "note", "remarks", "comment", "comments", "anmerkung"),
}
_FIELD_OF = {name: key for key, names in FIELDS.items() for name in names}


def field_of(heading: str) -> str:
    """The field that a heading or key names, or ""."""
    return _FIELD_OF.get(re.sub(r"[^\w]|_", "", heading.lower()), "")


@dataclass(frozen=True, kw_only=True)
class ShotRow:
    """A shot of the source. `where` is its place for messages; `people` are names of characters in it."""

    text: str
    where: str
    id: str = ""
    scene: str = ""
    place: str = ""
    people: tuple[str, ...] = ()
    seconds: float | None = None
    dialogue: str = ""
    image: str = ""
    notes: dict[str, str] = field(default_factory=dict)


def row_of(values: dict[str, str], where: str, report: ImportReport) -> ShotRow:
    """A row from texts by field."""
    get = {key: " ".join(value.split()) for key, value in values.items()}
    parts = [get.get("size", ""), get.get("caption", ""), get.get("camera", "")]
    seconds = seconds_of(get.get("duration", ""))
    if seconds is None and get.get("frames", "").isdigit():
        seconds = int(get["frames"]) / _FPS
    if get.get("duration") and seconds is None:
        report.left_out("a duration that is not a time", where, help='write seconds, such as "3.5 s" or "0:03"')
    return ShotRow(
        text=" ".join(sentence(part) for part in parts if part),
        where=where,
        id=get.get("id", ""),
        scene=get.get("scene", ""),
        place=get.get("place", ""),
        people=tuple(name.strip() for name in re.split(r"[,;/&]| and ", get.get("people", "")) if name.strip()),
        seconds=seconds,
        dialogue=get.get("dialogue", "").strip('"“”'),
        image=get.get("image", ""),
        notes={"note": get["note"]} if get.get("note") else {},
    )


def sentence(text: str) -> str:
    """A text that starts with a capital and ends with a full stop."""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."


def seconds_of(text: str) -> float | None:
    """Seconds of a duration such as "3", "2.5 s", "0:04" or "00:00:04"; None for anything else."""
    text = re.sub(r"^0?0:(?=\d+:)", "", text.strip())
    match = _TIME.fullmatch(text) if len(text) <= 20 else None
    if match is None:
        return None
    return bounded(int(match["minutes"] or 0) * 60 + float(match["seconds"].replace(",", ".")))


def bounded(seconds: float) -> float | None:
    """Seconds that a shot can have; None for anything else."""
    return seconds if 0 < seconds <= _MAX_SECONDS else None


def draft_of_rows(
    rows: Sequence[ShotRow],
    report: ImportReport,
    *,
    title: str = "",
    note: str = "",
    style: str = "",
    entities: Iterable[ScriptEntity] = (),
) -> Draft:
    """The draft of shots. `entities`, and places and people of the rows, become settings and characters."""
    report.require_shots(len(rows))
    report.limit("title", title, "title")
    report.limit("style", style, "style")
    for row in rows:
        report.limit("caption", row.text, row.where)
    report.refuse()
    if note:
        report.kept("the overview", "note", "", help="a model sees only captions")
    known = {entity.name: entity for entity in entities}
    for row in rows:
        for name in row.people:
            known.setdefault(name, described(name, "character", ""))
        if row.place:
            known.setdefault(row.place, ScriptEntity(name=row.place, kind="setting", look=row.place))
    if not any(entity.kind == "character" for entity in known.values()):
        known |= {entity.name: entity for entity in people_in([row.text for row in rows]) if entity.name not in known}
    registry, ids = Registry(known.values(), Names()), Names()
    shots = tuple(_shot(row, number, registry, ids, report) for number, row in enumerate(rows, start=1))
    characters, settings = (tuple(registry.declare(kind, report)) for kind in ("character", "setting"))
    return Draft(title=title, note=note, style=style, shots=shots, characters=characters, settings=settings)


def _shot(row: ShotRow, number: int, registry: Registry, ids: Names, report: ImportReport) -> DraftShot:
    if not row.text.strip():
        report.fault("a shot has no description", row.where, help="describe what the shot shows, or remove it")
    named = [name for name in (*row.people, row.place) if name]
    caption = registry.refer(row.text)
    caption = " ".join((caption, *registry.missing(named, caption)))
    report.limit("caption", caption, row.where)
    if row.dialogue:
        report.kept("dialogue", "subtitle", row.where, help="`--subtitles` shows it")
    shot, scene = re.sub(r"\s+", "-", row.id), re.sub(r"\s+", "-", row.scene)
    if shot[:1].isdigit() or not shot:
        shot = f"shot-{shot or number}"
    if scene:
        shot = f"{scene if not scene[:1].isdigit() else f'scene-{scene}'}-{shot}"
    return DraftShot(
        id=ids.new(shot, otherwise=f"shot-{number}"),
        caption=caption,
        notes=row.notes,
        subtitle=row.dialogue[:1000],
        seconds=row.seconds,
        image=row.image,
    )
