"""Write a plan as a story with every value resolved, embedded in a film so that it can be rendered again.

Profiles, model defaults and seeds of other takes are written out as numbers. Comments, notes and absolute paths are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from onestory_cli.planning.assets import requested_loras
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.story.captions import fold
from onestory_cli.story.types import Audio, Character, LoraRequest, Setting, Shot, Story

_WIDTH = 110

Names = Mapping[str, str]


def story_text(plan: Plan, *, names: Names, seeds: Mapping[str, int]) -> str:
    """The resolved story of a plan, as YAML. On the same model it plans to the same jobs.

    `names` maps paths as written to the new file names. `seeds` has the seeds of takes that the story does not give.
    """
    tree = dict(_story(plan, names))
    shots = {shot.id: shot for shot in plan.story.shots}
    tree["shots"] = [dict(_shot(shots[job.shot], job, names, seeds)) for job in plan.jobs]
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


class _Dumper(yaml.SafeDumper):
    """Writes floats in decimal digits: 1.0e-05 would be text in a story."""


def _decimal(dumper: _Dumper, number: float) -> yaml.Node:
    digits = format(Decimal(repr(number)), "f")
    return dumper.represent_scalar("tag:yaml.org,2002:float", digits if "." in digits else f"{digits}.0")


_Dumper.add_representer(float, _decimal)


def portable(model: str) -> str:
    """The name of a model or LoRA without the folders of this machine."""
    for path in (PurePosixPath(model), PureWindowsPath(model)):
        if path.is_absolute() or model.startswith("~"):
            return path.name
    return model


def _story(plan: Plan, names: Names) -> Iterator[tuple[str, Any]]:
    story = plan.story
    yield from (("story", 1), ("title", story.title), ("model", _model(story)))
    if story.first_shot_model:
        yield "first_shot_model", portable(story.first_shot_model)
    yield "seed", story.seed
    if story.fps:
        yield "fps", story.fps
    if story.style:
        yield "style", story.style
    output = plan.output
    yield "output", {"scale": output.scale, "filter": output.filter, "crf": output.crf}
    if loras := requested_loras(plan.model, story):
        yield "lora", [_lora(item) for item in loras]
    if story.audio:
        yield "audio", _audio(story.audio, names)
    for key, declared in (("characters", story.characters), ("settings", story.settings)):
        if declared:
            yield key, {item.id: _declared(item, names) for item in declared}


def _model(story: Story) -> str | dict[str, Any]:
    if story.external is None:
        return portable(story.model)
    return {key: portable(value) if isinstance(value, str) else value for key, value in story.external.items()}


def _lora(lora: LoraRequest) -> dict[str, Any]:
    named = {"path": portable(lora.path)} if lora.path else {"hub": lora.hub, "file": lora.file}
    return {**named, "weight": lora.weight, "expert": lora.expert}


def _declared(item: Character | Setting, names: Names) -> dict[str, str]:
    image = {"image": names[item.image]} if item.image else {}
    return {"look": item.look, "again": item.again, **image}


def _shot(shot: Shot, job: ShotJob, names: Names, seeds: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    yield from (("id", shot.id), ("caption", fold(shot.caption)))
    yield "negative", job.negative
    if shot.id in seeds or shot.seed is not None:
        yield "seed", seeds.get(shot.id, shot.seed)
    yield from (("frames", job.frames), ("size", f"{job.width}x{job.height}"), ("steps", job.steps))
    if shot.guidance is not None or job.guidance_2 in (None, job.guidance):  # else each expert has its own default
        yield "guidance", job.guidance
    yield from (("scheduler", job.scheduler), ("shift", job.shift))
    if job.image:
        yield "image", names[job.image.path]
    if shot.captions:
        yield "captions", shot.captions
    if shot.cut is not None:
        yield "cut", shot.cut
    yield "memory", _memory(shot, job)
    if shot.subtitle:
        yield "subtitle", shot.subtitle
    if shot.audio:
        yield "audio", _audio(shot.audio, names)


def _audio(audio: Audio, names: Names) -> dict[str, Any]:
    times = {key: f"{getattr(audio, key):f}s" for key in ("offset", "fade_in", "fade_out")}
    return {"file": names[audio.file], "role": audio.role, "gain": audio.gain, **times}


def _memory(shot: Shot, job: ShotJob) -> dict[str, Any]:
    chosen = {} if shot.memory.sources is None else {"from": list(shot.memory.sources)}
    memory = job.memory
    settings = {"frames": memory.frames, "budget": memory.budget, "policy": memory.policy, "guidance": memory.guidance}
    crop = memory.crop.detector if memory.crop else shot.memory.crop
    return {**settings, **({"crop": crop} if crop else {}), **chosen}
