"""The JSON formats of multi-shot generators: one function each, Node -> Draft.

Where a script lists its characters and places, or describes a name that it uses often, they are declared. All other
text of a prompt stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from onestory_cli.importers.cast import people_in
from onestory_cli.importers.draft import Draft, DraftShot, ImportReport
from onestory_cli.importers.entities import Registry, ScriptEntity, described
from onestory_cli.importers.names import Names
from onestory_cli.importers.values import Node, list_of
from onestory_cli.story.referential_phrase import default_again
from onestory_cli.utils.text import with_article

_MEMENTO = re.compile(r"(?is)global caption:\s*(?P<cast>.*?)[;,.]\s*shot caption:\s*(?P<shot>.+)")
_LABELLED = re.compile(r"\[([^\[\]]{1,60})\]:?\s*([^\[\]]*)")
_SHOT = re.compile(r"shot_?([0-9]{1,6})", re.ASCII)
_HEADER = re.compile(r"(?P<name>[^:\n]{1,80}): (?P<text>.+)")
_NO_FIRST_FRAME = "onestory does not generate first frames from text; add `image:` to the shot if you have one"
_FPS = 16  # of Wan 2.1, which EchoShot and ShotStream build on
_MAX_LATENTS = 10_000
_KINDS = {"Character": "character", "Location": "setting", "Place": "setting"}


@dataclass(frozen=True, kw_only=True)
class _Prompt:
    """A prompt of the source and its key path. `before` is text that comes before it in every shot."""

    id: str
    text: str
    where: str
    number: str = ""  # scene:shot, as in the schedule of EntityBench
    before: str = ""
    continues: bool = False
    seconds: float | None = None
    notes: dict[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()  # names of settings, which are appended if the text does not name them


def from_storymem(source: Node, report: ImportReport) -> Draft:
    """`story_name, story_overview, scenes[]{scene_num, video_prompts[], first_frame_prompt[], cut[]}`.

    EntityBench adds `_name_map` and `entity_descriptions`, and starts a prompt with lines `Name: description` for what
    appears for the first time.
    """
    prompts: list[_Prompt] = []
    ids = Names()
    for number, scene in enumerate(source.nodes("scenes"), start=1):
        prompts += _scene_of_storymem(scene, scene.number("scene_num") or str(number), ids, report, bool(prompts))
        scene.use("action_descriptions")
        scene.report_unused()
    source.use("_window_shot_ids", "_num_scenes", "_num_shots")
    places = {key: item.get("places", []) for key, item in source.entries("entity_schedule", dict)}
    prompts = [replace(prompt, places=_texts(places.get(prompt.number))) for prompt in prompts]
    return _draft(source, report, "story_name", prompts, _entities(source))


def from_memento(source: Node, report: ImportReport) -> Draft:
    """As `from_storymem`; each prompt is `global caption: [Person A]: look, ...; shot caption: [Person A] walks.`"""
    source.use("reconstruct_target")
    prompts: list[_Prompt] = []
    looks: dict[str, str] = {}
    ids = Names()
    for number, scene in enumerate(source.nodes("scenes"), start=1):
        for prompt in _scene_of_storymem(scene, scene.number("scene_num") or str(number), ids, report, bool(prompts)):
            match = _MEMENTO.fullmatch(prompt.text.strip())
            for name, look in _LABELLED.findall(match["cast"]) if match else ():
                if name.strip():
                    looks.setdefault(name, look.strip(" ,;"))
            text = match["shot"] if match else prompt.text
            prompts.append(replace(prompt, text=re.sub(r"\[([^\[\]]+)\]", r"\1", text)))
        scene.report_unused()
    entities = _distinct([_labelled(name, look) for name, look in looks.items()])
    return _draft(source, report, "story_name", prompts, entities)


def _labelled(label: str, look: str) -> ScriptEntity:
    """A person or thing with a label such as "Person A", which its look replaces: a label means nothing to a model."""
    kind = "setting" if label.split()[0] in ("Place", "Location", "Scene") else "character"
    if look and not re.match(r"(?i)(?:an?|the|two|three|several|some)\b", look):
        look = with_article(look)
    return ScriptEntity(name=label, kind=kind, look=look or label, again=default_again(label.lower(), look or label))


def _distinct(entities: Sequence[ScriptEntity]) -> list[ScriptEntity]:
    """Add a feature to phrases that several people share: "the same man" -> "the same man with short curly hair"."""
    counts = Counter(entity.again for entity in entities)
    return [
        replace(entity, again=_fuller(entity.again, entity.look)) if counts[entity.again] > 1 else entity
        for entity in entities
    ]


def _fuller(again: str, look: str) -> str:
    """Add the first feature that follows the noun in a look, or return the phrase unchanged."""
    noun = again.split()[-1]
    match = re.search(rf"\b{re.escape(noun)} ((?:with|wearing|in)\b.+?)(?=,| wearing\b| holding\b|$)", look)
    return f"{again} {match[1]}" if match else again


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in list_of(value) if isinstance(item, str))


def _scene_of_storymem(scene: Node, number: str, ids: Names, report: ImportReport, later: bool) -> Iterator[_Prompt]:
    prompts, cuts = scene.texts("video_prompts", required=True, lines=True), scene.flags("cut")
    firsts = scene.texts("first_frame_prompt")
    for key, values in (("cut", cuts), ("first_frame_prompt", firsts)):
        if len(values) > len(prompts):
            report.fault(f"{len(values)} values for {len(prompts)} video_prompts", scene.at(key))
    for index, prompt in enumerate(prompts):
        yield _Prompt(
            id=ids.new(f"scene{number}-shot{index + 1}", otherwise="shot"),
            number=f"{number}:{index + 1}",
            text=prompt,
            where=f"{scene.at('video_prompts')}[{index}]",
            continues=index < len(cuts) and not cuts[index] and (later or index > 0),
            notes=_first_frame(firsts[index] if index < len(firsts) else "", scene.at("first_frame_prompt"), report),
        )


def _entities(source: Node) -> list[ScriptEntity]:
    """The characters and places of `_name_map` and `entity_descriptions`, in the order of their labels."""
    names = {label: " ".join(name.split()) for label, name in source.entries("_name_map", str) if name.strip()}
    descriptions: dict[str, str] = {}
    for label, item in source.entries("entity_descriptions", dict):
        names.setdefault(label, str(item.get("name", "")))
        descriptions[label] = str(item.get("description", ""))
    kinds = {label: _KINDS.get(label.split()[0] if label.strip() else "", "") for label in names}
    return [described(name, kinds[label], descriptions.get(label, "")) for label, name in names.items() if kinds[label]]


def from_vimax(source: Node, report: ImportReport) -> Draft:
    """`story_overview, scenes[]{scene_num, shots[]{shot_id, first_frame, video_prompt}}`, with cuts everywhere."""
    prompts: list[_Prompt] = []
    ids = Names()
    for number, scene in enumerate(source.nodes("scenes"), start=1):
        name = scene.number("scene_num") or str(number)
        for index, shot in enumerate(scene.nodes("shots"), start=1):
            notes = _first_frame(shot.text("first_frame"), shot.at("first_frame"), report)
            id = ids.new(f"scene{name}-shot{shot.number('shot_id') or index}", otherwise="shot")
            text = shot.text("video_prompt", required=True, lines=True)
            prompts.append(_Prompt(id=id, text=text, where=shot.at("video_prompt"), notes=notes))
            shot.report_unused()
        scene.report_unused()
    return _draft(source, report, "story_name", prompts)


def from_shotstream(source: Node, report: ImportReport) -> Draft:
    """`global_caption, shot1..shotN`. The global caption comes before every shot.

    `frame_number[]{start, end}` of its CSV file gives the lengths.
    """
    keys = sorted(source.matching(_SHOT), key=_number_of_shot)
    if not keys:
        report.fault('"shot1" is missing', "the whole file")
    before = _global_caption(source, report)
    lengths = chain(map(_seconds_of_span, list_of(source.value("frame_number"))), repeat(None))
    prompts = [
        _Prompt(
            id=f"shot-{_number_of_shot(key)}",
            text=source.text(key, lines=True),
            where=key,
            before=before,
            seconds=seconds,
        )
        for key, seconds in zip(keys, lengths, strict=False)
    ]
    if len({prompt.id for prompt in prompts}) < len(prompts):
        report.fault("two shots have the same number", keys[0])
    return _draft(source, report, "title", prompts)


def _seconds_of_span(span: object) -> float | None:
    """The time of frames [start, end)."""
    ends = [item for item in list_of(span) if isinstance(item, int)]
    frames = ends[1] - ends[0] if len(ends) == 2 else 0
    return round(frames / _FPS, 2) if 0 < frames < 4 * _MAX_LATENTS else None


def from_memflow(source: Node, report: ImportReport) -> Draft:
    """`{"prompts": [...]}`: one continuous video without cuts, whose memory is selected by the text, as ours is."""
    prompts = [
        _Prompt(id=f"shot-{number}", text=text, where=f"prompts[{number - 1}]", continues=number > 1)
        for number, text in enumerate(source.texts("prompts", required=True, lines=True), start=1)
    ]
    return _draft(source, report, "title", prompts)


def from_echoshot(source: Node, report: ImportReport) -> Draft:
    """A list of captions, or `shots[], cap_list[], inner_t[]`: videos, their captions and lengths in latent frames."""
    key = "cap_list" if "cap_list" in source else "shots"
    captions = source.texts(key, required=True, lines=True)
    lengths = list_of(source.value("inner_t"))
    if key == "cap_list" and source.value("shots"):
        report.left_out("a list of video paths", source.at("shots"), help="they belong to a training set")
    prompts = [
        _Prompt(id=f"shot-{number}", text=text, where=f"{key}[{number - 1}]", seconds=_seconds_of_latents(length))
        for number, (text, length) in enumerate(zip(captions, chain(lengths, repeat(None)), strict=False), start=1)
    ]
    return _draft(source, report, "title", prompts)


def _seconds_of_latents(frames: object) -> float | None:
    """The time of latent frames of Wan 2.1: the first is one picture, the others are four."""
    if not isinstance(frames, int) or not 0 < frames < _MAX_LATENTS:
        return None
    return round((4 * frames - 3) / _FPS, 2)


def _global_caption(source: Node, report: ImportReport) -> str:
    text = _sentences(source.text("global_caption", lines=True))
    report.limit("caption", text, "global_caption")
    report.refuse()
    if text:
        report.kept("the global caption", "caption", "global_caption", help="it comes before the caption of every shot")
    return text


def _draft(
    source: Node, report: ImportReport, title: str, prompts: Sequence[_Prompt], entities: Sequence[ScriptEntity] = ()
) -> Draft:
    """The whole draft. Texts other than shots become a note."""
    name, overview = source.text(title), source.text("story_overview")
    report.limit("title", name, title)
    if overview:
        report.kept("the overview", "note", "story_overview", help="a model sees only captions")
    source.report_unused()
    report.require_shots(len(prompts))
    texts = [_sentences(prompt.text) for prompt in prompts]
    notes = [prompt.notes.get("x-first-frame", "") for prompt in prompts]
    registry = Registry(entities or people_in(texts, [*notes, overview]), Names())
    shots = tuple(_shot(prompt, registry, report) for prompt in prompts)
    characters, settings = (tuple(registry.declare(kind, report)) for kind in ("character", "setting"))
    return Draft(title=name, note=overview, shots=shots, characters=characters, settings=settings)


def _shot(prompt: _Prompt, registry: Registry, report: ImportReport) -> DraftShot:
    """A shot whose caption refers to what the registry knows. Header lines of declared names are left out."""
    if not prompt.text.strip():
        report.fault("the prompt is empty", prompt.where)
    headers, rest = _headers(prompt.text)
    kept = [line for name, line in headers if name not in registry]
    text = " ".join(part for part in (prompt.before, rest, *kept) if part) or prompt.text
    caption = registry.refer(text)
    caption = " ".join((caption, *registry.missing(prompt.places, caption)))
    report.limit("caption", caption, prompt.where)
    return DraftShot(
        id=prompt.id, caption=caption, seconds=prompt.seconds, continues=prompt.continues, notes=prompt.notes
    )


def _headers(text: str) -> tuple[list[tuple[str, str]], str]:
    """The lines `Name: description` before an empty line, as (name, line), and the rest of a prompt on one line."""
    head, separator, rest = re.sub(r"\r\n?", "\n", text).partition("\n\n")
    matches = [_HEADER.fullmatch(line) for line in head.splitlines()]
    if not separator or not all(matches) or not rest.strip():
        return [], _sentences(text)
    return [(match["name"], match[0]) for match in matches if match], _sentences(rest)


def _sentences(text: str) -> str:
    """A text on one line, in which the end of a line ends a sentence."""
    lines = [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
    ended = [line if line[-1] in ".!?:;,…-–—" else f"{line}." for line in lines[:-1]]
    return " ".join([*ended, *lines[-1:]])


def _first_frame(text: str, where: str, report: ImportReport) -> dict[str, str]:
    if not text:
        return {}
    report.kept("the text of a first frame", "x-first-frame", where, help=_NO_FIRST_FRAME)
    return {"x-first-frame": text}


def _number_of_shot(key: str) -> int:
    match = _SHOT.fullmatch(key)
    assert match, key
    return int(match[1])
