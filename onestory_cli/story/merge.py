"""Checked values -> Story, by one merge rule: story defaults < profile < shot. Maps merge by key, the rest replaces.

Nothing is reported here: an unreadable value becomes None, because a finding about it exists already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from onestory_cli.errors import Place
from onestory_cli.story.captions import REFERENCE, Cast, Resolved, fold, resolve_all
from onestory_cli.story.referential_phrase import default_again
from onestory_cli.story.source import KeyPath, StorySource
from onestory_cli.story.types import (
    Audio,
    Character,
    IncludedFile,
    LoraRequest,
    MemoryRequest,
    Output,
    Setting,
    Shot,
    Story,
)

# Two keys for one thing: the key of a later layer replaces the other key of an earlier layer.
ALTERNATIVES = {"duration": "frames", "frames": "duration"}
PRESET_KEYS = ("steps", "guidance", "scheduler", "shift")  # `defaults` that the preset of a profile replaces
_DECLARED = ("look", "again", "image")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A map of shot options and its path in the file."""

    values: dict[str, Any]
    path: KeyPath


@dataclass(frozen=True, kw_only=True)
class Value:
    """A merged value and its path in the file."""

    value: Any
    path: KeyPath


def build_story(
    source: StorySource,
    tree: dict[str, Any],
    *,
    profile: str | None,
    seed: int | None,
    included: tuple[IncludedFile, ...] = (),
) -> tuple[Story, Cast]:
    """The story in `tree`, the well-typed values of `source`. `seed` replaces the story's seed."""
    cast = _cast(source.value, tree)
    shots = tree.get("shots", [])
    shared = [
        Layer(values=tree, path=()),
        Layer(values=tree.get("defaults", {}), path=("defaults",)),
        Layer(values=tree.get("profiles", {}).get(profile, {}), path=("profiles", profile or "")),
    ]
    style = tree.get("style", "")
    options = [_options(index, shot, shared) for index, shot in enumerate(shots)]
    captions = [(shot.get("caption", ""), _asks_full(values)) for shot, values in zip(shots, options, strict=True)]
    resolved = resolve_all(captions, cast, style)
    seeds = [layer.values["seed"] for layer in shared if "seed" in layer.values]
    story = Story(
        path=source.text.path,
        source=source.text.content.encode(),
        title=fold(tree.get("title", "")),
        **_model(shared[-1].values.get("model") or tree.get("model", "storyworld")),
        first_shot_model=tree.get("first_shot_model"),
        seed=seed if seed is not None else int([0, *seeds][-1]),
        fps=_whole(tree.get("fps")),
        style=fold(style),
        characters=tuple(item for item in cast.declared.values() if isinstance(item, Character)),
        settings=tuple(item for item in cast.declared.values() if isinstance(item, Setting)),
        included=included,
        shots=tuple(_shot(source, index, shot, options[index], resolved[index]) for index, shot in enumerate(shots)),
        output=_output(tree.get("output", {})),
        preset=tree.get("profiles", {}).get(profile, {}).get("preset"),
        loras=_loras([layer.values["lora"] for layer in shared if "lora" in layer.values]),
        audio=_audio(tree.get("audio", {}), role="music"),
        profile=profile,
        places=_story_places(source, tree) | _profile_places(source, shared[-1]),
    )
    return story, cast


def _model(given: str | dict[str, Any]) -> dict[str, Any]:
    """The fields `model` and `external`. A workflow or a command is named by its file, without folder and suffix."""
    if isinstance(given, str):
        return {"model": given}
    named = given.get("workflow") or (given.get("command") or ["command"])[0]
    return {"model": PurePath(str(named)).stem or "command", "external": given}


def merge(layers: Iterable[Layer]) -> dict[str, Value]:
    """The options of a shot after all layers. Keys of nested maps are dotted: "memory.frames"."""
    merged: dict[str, Value] = {}
    for layer in layers:
        for key, value in layer.values.items():
            if key in ALTERNATIVES:
                merged.pop(ALTERNATIVES[key], None)
            path = (*layer.path, key)
            inner = value if isinstance(value, dict) else {}
            merged |= {f"{key}.{name}": Value(value=item, path=(*path, name)) for name, item in inner.items()}
            merged |= {} if isinstance(value, dict) else {key: Value(value=value, path=path)}
    return merged


def _cast(raw: object, tree: dict[str, Any]) -> Cast:
    """All declarations. An id whose look is unreadable counts, so that captions may mention it."""
    declared: dict[str, Character | Setting] = {}
    complete = True
    for kind, make in (("settings", Setting), ("characters", Character)):
        section = raw.get(kind, {}) if isinstance(raw, dict) else {}
        complete &= isinstance(section, dict)
        for id in section if isinstance(section, dict) else ():
            given = tree.get(kind, {}).get(id, {})
            look = fold(given.get("look", ""))
            again = fold(given.get("again", "")) or default_again(id, look)
            declared[id] = make(id=id, look=look, again=again, image=given.get("image"))
    return Cast(declared=declared, complete=complete)


def _options(index: int, shot: dict[str, Any], shared: Sequence[Layer]) -> dict[str, Value]:
    """The merged options of shot number `index`."""
    story, defaults, profile = (_for_shots(layer) for layer in shared)
    if "preset" in shared[-1].values:
        left = {key: value for key, value in defaults.values.items() if key not in PRESET_KEYS}
        defaults = Layer(values=left, path=defaults.path)
    return merge([story, defaults, profile, Layer(values=shot, path=("shots", index))])


def _asks_full(options: dict[str, Value]) -> bool:
    return "captions" in options and options["captions"].value == "full"


def _shot(source: StorySource, index: int, shot: dict[str, Any], merged: dict[str, Value], resolved: Resolved) -> Shot:
    path: KeyPath = ("shots", index)
    given = {key: item.value for key, item in merged.items()}
    width, height = _size(given.get("size"))
    sources = given.get("memory.from")
    return Shot(
        id=given.get("id", ""),
        caption=given.get("caption", ""),
        resolved_caption=resolved.text,
        mentions=resolved.mentions,
        negative=_folded(given.get("negative")),
        seed=_whole(given.get("seed")),
        duration=_seconds(given.get("duration")),
        frames=_whole(given.get("frames")),
        width=width,
        height=height,
        steps=_whole(given.get("steps")),
        guidance=_number(given.get("guidance")),
        scheduler=given.get("scheduler"),
        shift=_number(given.get("shift")),
        image=given.get("image"),
        accept=given.get("accept"),
        captions=given.get("captions"),
        cut=given.get("cut"),
        memory=MemoryRequest(
            frames=_whole(given.get("memory.frames")),
            budget=_number(given.get("memory.budget")),
            sources=None if sources is None else tuple(item for item in sources if item is not None),
            policy=given.get("memory.policy"),
            guidance=_number(given.get("memory.guidance")),
            crop=given.get("memory.crop"),
        ),
        audio=_audio(shot.get("audio", {}), role="effect"),
        subtitle=_lines(given.get("subtitle", "")),
        places={"id": source.place((*path, "id"))} | _places(source, merged) | _mention_places(source, path, resolved),
    )


def _for_shots(layer: Layer) -> Layer:
    """The shot options of a shared layer: of the story only `negative`, of others all but the story's own."""
    wanted = {"negative"} if not layer.path else layer.values.keys() - {"model", "seed", "lora", "preset"}
    return Layer(values={key: value for key, value in layer.values.items() if key in wanted}, path=layer.path)


def _places(source: StorySource, merged: dict[str, Value]) -> dict[str, Place]:
    return {key: source.place(item.path) for key, item in merged.items()}


def _mention_places(source: StorySource, path: KeyPath, resolved: Resolved) -> dict[str, Place]:
    """The place of the first reference to each id, as "caption.fox"; only ids with a referential phrase."""
    ids = {mention.id for mention in resolved.mentions if not mention.full}
    if not ids:
        return {}
    spans = source.spans_inside((*path, "caption"), REFERENCE)
    first = {match["name"]: match for match in reversed(list(spans)) if match["name"] in ids}
    return {f"caption.{id}": source.text.place(match.start(), match.end()) for id, match in first.items()}


def _story_places(source: StorySource, tree: dict[str, Any]) -> dict[str, Place]:
    places = {key: source.place((key,)) for key in tree if isinstance(key, str)}
    for kind in ("characters", "settings"):
        for id, item in tree.get(kind, {}).items():
            places[f"{kind}.{id}"] = source.key_place((kind, id))
            places |= {f"{kind}.{id}.{key}": source.place((kind, id, key)) for key in _DECLARED if key in item}
    for name, values in tree.get("profiles", {}).items():
        if "preset" in values:
            places[f"profiles.{name}.preset"] = source.place(("profiles", name, "preset"))
    places |= {f"audio.{key}": source.place(("audio", key)) for key in tree.get("audio", {})}
    if isinstance(tree.get("model"), dict):
        places |= {f"model.{key}": source.place(("model", key)) for key in tree["model"]}
    places |= {f"output.{key}": source.place(("output", key)) for key in tree.get("output", {})}
    return places


def _profile_places(source: StorySource, profile: Layer) -> dict[str, Place]:
    """The place of the profile's model, which replaces the story's."""
    return {"model": source.place((*profile.path, "model"))} if "model" in profile.values else {}


def _output(given: dict[str, Any]) -> Output:
    known = {key: given[key] for key in ("scale", "filter", "crf") if key in given}
    return Output(**known)


def _loras(layers: Sequence[Sequence[dict[str, Any] | None]]) -> tuple[LoraRequest, ...]:
    """The list of the last layer that has one, without unreadable entries."""
    entries = [entry for entry in (layers[-1] if layers else ()) if entry and ("path" in entry or "file" in entry)]
    return tuple(
        LoraRequest(
            path=entry.get("path", ""),
            hub=entry.get("hub", ""),
            file=entry.get("file", ""),
            weight=float(entry.get("weight", 1.0)),
            expert=entry.get("expert", "both"),
        )
        for entry in entries
    )


def _audio(given: dict[str, Any], *, role: str) -> Audio | None:
    """The sound in an `audio:` map; `role` is the default role."""
    if not given.get("file"):
        return None
    times = {key: _seconds(given.get(key)) or 0.0 for key in ("offset", "fade_in", "fade_out")}
    return Audio(file=given["file"], role=given.get("role", role), gain=_number(given.get("gain")) or 0.0, **times)


def _seconds(text: str | None) -> float | None:
    """The seconds in "2.5s"."""
    try:
        return None if text is None else float(text.removesuffix("s"))
    except ValueError:
        return None


def _size(text: str | None) -> tuple[int, int] | tuple[None, None]:
    """Width and height in "64x48"."""
    try:
        width, height = (text or "").split("x")
        return int(width), int(height)
    except ValueError:
        return None, None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _lines(text: str) -> str:
    """The text without empty lines, which would end a cue in subtitle files."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _folded(text: str | None) -> str | None:
    return None if text is None else fold(text)
