"""JSON of storyboards and benchmarks: Storyboarder, OpenTimelineIO, ViStoryBench, and what language models write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from onestory_cli.importers.draft import Draft, ImportReport
from onestory_cli.importers.entities import ScriptEntity, described
from onestory_cli.importers.rows import ShotRow, bounded, draft_of_rows, field_of, row_of, sentence
from onestory_cli.importers.values import Node, list_of, maps_in

_LOOKS = ("look", "description", "appearance", "visual_description", "prompt", "prompt_en", "details")
_NAMES = ("name", "id", "title", "name_en", "label")
_CAST = ("characters", "cast", "people", "character_list", "Characters")
_PLACE = ("location", "setting", "place", "environment")  # of a scene
_PLACES = ("settings", "locations", "places", "environments")
_SCENES = ("scenes", "acts", "sequences", "chapters", "segments")
_SHOTS = ("shots", "shot_list", "storyboard", "frames", "panels", "clips", "prompts", "video_prompts")
_TITLES = ("title", "name", "story_name", "story_title")
_OVERVIEWS = ("logline", "synopsis", "overview", "summary", "story_overview", "description", "premise")
_NUMBERS = ("scene_number", "scene_num", "number", "id")
_STYLES = ("style", "visual_style", "art_style", "look_and_feel")


def from_storyboarder(node: Node, report: ImportReport) -> Draft:
    """A .storyboarder file: `boards[]{url, shot, duration, dialogue, action, notes}`. Its pictures are in images/.

    Boards without an action are described by their notes or dialogue, or else by the number of their shot.
    """
    rows = []
    default = node.number("defaultBoardTiming")
    for number, board in enumerate(node.nodes("boards"), start=1):
        milliseconds = board.value("duration") or default
        text = board.text("action") or board.text("notes") or board.text("dialogue")
        picture = board.text("url")
        if not text and picture:
            text = f"Shot {board.number('shot') or number} of the storyboard."
            help = "write in `caption:` what the picture shows; a model sees only captions"
            report.kept("a board without text", "caption: Shot ...", board.where, help=help)
        rows.append(
            ShotRow(
                text=text,
                where=board.where,
                id=board.number("shot") or str(number),
                seconds=bounded(_number(milliseconds) / 1000),
                dialogue=board.text("dialogue"),
                image=f"images/{picture}" if picture else "",
                notes={"note": board.text("notes")} if board.text("notes") != text and board.text("notes") else {},
            )
        )
    return draft_of_rows(rows, report)


def from_otio(node: Node, report: ImportReport) -> Draft:
    """An OpenTimelineIO timeline: the clips of its first video track, described by markers, notes or names."""
    stack = node.value("tracks")
    tracks = maps_in(stack.get("children")) if isinstance(stack, dict) else []
    video = next((item for item in tracks if item.get("kind") == "Video"), {})
    rows = []
    clips = [item for item in maps_in(video.get("children")) if str(item.get("OTIO_SCHEMA", "")).startswith("Clip.")]
    for number, clip in enumerate(clips, start=1):
        name, words = str(clip.get("name") or ""), " ".join(dict.fromkeys(_texts_of_clip(clip)))
        note = _english(next(_metadata(clip, ("note", "notes", "comment")), ""))
        rows.append(
            ShotRow(
                text=" ".join((words or name).split()),
                where=f"clip {number}",
                id=name[:100],
                seconds=_seconds_of_clip(clip),
                notes={"note": note} if note else {},
            )
        )
    return draft_of_rows(rows, report, title=node.text("name"))


def _texts_of_clip(clip: Mapping[str, Any]) -> Iterator[str]:
    """The comments or names of the markers of a clip, then captions in its metadata."""
    for marker in maps_in(clip.get("markers")):
        if text := marker.get("comment") or marker.get("name"):
            yield str(text)
    yield from _metadata(clip, ("caption", "prompt", "description"))


def _metadata(clip: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    """Texts of these keys in the metadata of a clip, or in the maps of tools inside it."""
    metadata = clip.get("metadata")
    for values in (metadata, *metadata.values()) if isinstance(metadata, dict) else ():
        for key in keys:
            if isinstance(values, dict) and isinstance(values.get(key), str):
                yield values[key]


def _seconds_of_clip(clip: Mapping[str, Any]) -> float | None:
    range_ = clip.get("source_range")
    duration = range_.get("duration") if isinstance(range_, dict) else None
    if not isinstance(duration, dict) or not (rate := _number(duration.get("rate"))):
        return None
    return bounded(_number(duration.get("value")) / rate)


def from_vistorybench(node: Node, report: ImportReport) -> Draft:
    """`Characters{NAME: {prompt_en}}, Shots[]{Setting Description, Static Shot Description, ...}{en, ch}`."""
    entities = []
    for name, item in node.entries("Characters", dict):
        look = next((str(item[key]) for key in ("prompt_en", "prompt", "prompt_ch") if item.get(key)), "")
        name = str(item.get("name_en") or name)
        written = tuple(f"{the} {name.lower()}" for the in ("the", "The"))  # "the little rabbit" is "Little Rabbit"
        entities.append(replace(described(name, "character", look), aliases=written))
    rows = []
    for at, shot in enumerate(node.nodes("Shots"), start=1):
        shot.use("Plot Correspondence")
        texts = [
            _english(shot.value(key))
            for key in ("Shot Perspective Design", "Static Shot Description", "Setting Description")
        ]
        shown = shot.value("Characters Appearing")
        names = list_of(shown.get("en") or shown.get("ch")) if isinstance(shown, dict) else []
        rows.append(
            ShotRow(
                text=" ".join(sentence(text) for text in texts if text),
                where=shot.where,
                id=shot.number("index") or str(at),
                people=tuple(name for name in names if isinstance(name, str)),
            )
        )
        shot.report_unused()
    return draft_of_rows(rows, report, note=_english(node.value("Story_type")), entities=entities)


def _english(value: object) -> str:
    text = value.get("en") or value.get("ch") if isinstance(value, dict) else value
    return " ".join(text.split()) if isinstance(text, str) else ""


def from_llm(tree: Node, report: ImportReport) -> Draft:
    """`title, characters[], scenes[]{location, shots[]{prompt, duration}}` and its usual variants."""
    values: dict[str, Any] = dict(tree.items())
    entities = [*_entities(values, _CAST, "character"), *_entities(values, _PLACES, "setting")]
    rows = list(_rows(values, report, "", "", ""))
    title, overview, style = (_first_text(values, keys) for keys in (_TITLES, _OVERVIEWS, _STYLES))
    return draft_of_rows(rows, report, title=title[:200], note=overview, style=style, entities=entities)


def has_shots(value: object) -> bool:
    """Whether a value is a list in which something is a shot, or a scene with shots."""
    return any(
        any(field_of(key) == "caption" for key in item) or any(list_of(item.get(key)) for key in (*_SHOTS, *_SCENES))
        for item in maps_in(value)
    )


def _rows(values: Mapping[str, Any], report: ImportReport, where: str, scene: str, place: str) -> Iterator[ShotRow]:
    """The shots in a map: those of its scenes, or its own."""
    for key in _SCENES:
        for at, item in enumerate(list_of(values.get(key)), start=1):
            inner = f"{where}{key}[{at - 1}]"
            if not isinstance(item, dict):
                item = {"shots": [item]}
            number = str(next((item[name] for name in _NUMBERS if name in item), at))
            spot = _first_text(item, _PLACE) or place
            if any(name in item for name in (*_SHOTS, *_SCENES)):
                yield from _rows(item, report, f"{inner}.", number, spot)
            else:
                yield _row({"scene": "", "place": spot, **_by_field(item)}, report, inner)
    for key in _SHOTS:
        for at, item in enumerate(list_of(values.get(key))):
            fields = _by_field(item) if isinstance(item, dict) else {"caption": str(item)}
            yield _row({"scene": scene, "place": place, **fields}, report, f"{where}{key}[{at}]")


def _row(fields: dict[str, str], report: ImportReport, where: str) -> ShotRow:
    return row_of({key: value for key, value in fields.items() if value}, where, report)


def _by_field(item: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a map by field; the first key of a field counts, and captions prefer prompts."""
    found: dict[str, str] = {}
    for key in sorted(item, key=lambda key: "prompt" not in key):
        name, value = field_of(key), item[key]
        if isinstance(value, list):
            value = ", ".join(str(part.get("name", "")) if isinstance(part, dict) else str(part) for part in value)
        if name and name not in found and isinstance(value, str | int | float) and not isinstance(value, bool):
            found[name] = str(value)
    return found


def _entities(values: Mapping[str, Any], keys: tuple[str, ...], kind: str) -> Iterator[ScriptEntity]:
    """The characters or settings in a list of maps or texts, or in a map by name."""
    found: Any = next((values[key] for key in keys if values.get(key)), [])
    if isinstance(found, dict):
        found = [{"name": name, "look": look} for name, look in found.items()]
    for item in list_of(found):
        if isinstance(item, str):
            name, _, look = item.partition(":")
        elif isinstance(item, dict):
            nested = item.get("look")
            name, look = _first_text(item, _NAMES), _first_text(nested if isinstance(nested, dict) else item, _LOOKS)
        else:
            continue
        if name.strip():
            yield described(name.strip(), kind, look)


def _first_text(values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    found = next((values[key] for key in keys if isinstance(values.get(key), str) and values[key].strip()), "")
    return " ".join(found.split())


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0
