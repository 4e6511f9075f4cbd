"""Compile a story file to a plan. Used by every command that takes a story."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from onestory_cli.errors import Diagnostic, Findings, OnestoryError, shorten

# Findings of a plan that depend on one value only, so they are correct even if other parts of the story are wrong.
CERTAIN_CODES = {"S155", "S210", "S211", "S212", "S213", "S219", "M501", "M502", "M503", "M551", "W310"}

MAX_EXAMINED = 500_000  # characters of captions; a larger story with errors is not planned

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.story.load import StoryReading
    from onestory_cli.story.overrides import Override
    from onestory_cli.story.types import Story

ASSET_CODES = frozenset(("S150", "S151", "S153", "S154", "S156", "S172", "S173"))


def compile_story(
    file: Path,
    *,
    profile: str | None = None,
    seed: int | None = None,
    until: str | None = None,
    allow_outside: bool = False,
    fingerprint: bool = True,
    settings: Sequence[Override] = (),
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story file, and warnings about both. Without `fingerprint` the model's weights are not read.

    `settings` are applied to the story's text first.

    Raises:
        Findings: everything that is wrong with the story, including warnings.
        OnestoryError: the model is not found, or `until` is not a shot.
    """
    from onestory_cli.story.load import examine_story, read_bytes
    from onestory_cli.story.overrides import apply_overrides

    data = apply_overrides(read_bytes(file), str(file), settings)
    read = examine_story(data, str(file), profile=profile, seed=seed, allow_outside=allow_outside)
    if read.errors or read.story is None:
        raise Findings(with_plan_findings(read, allow_outside=allow_outside))
    try:
        plan, more = plan_story(read.story, until=until, allow_outside=allow_outside, fingerprint=fingerprint)
    except Findings as fault:
        raise Findings((*fault.diagnostics, *read.warnings)) from fault
    return plan, (*read.warnings, *more)


def with_plan_findings(read: StoryReading, *, allow_outside: bool = False) -> tuple[Diagnostic, ...]:
    """The findings of a story with errors, and those findings of its plan that are certain."""
    from onestory_cli.story.schema import position, spot

    found = [*read.errors, *read.warnings]
    readable = not any(item.code in ASSET_CODES for item in read.errors)  # a plan opens the files of a story
    if readable and read.story and sum(len(shot.resolved_caption) for shot in read.story.shots) <= MAX_EXAMINED:
        shots = {shot.id: shot for shot in reversed(read.story.shots) if shot.id}  # the first of duplicate ids
        story = replace(read.story, shots=tuple(reversed(shots.values())), loras=())
        taken = {spot(item) for item in found}
        more = _plan_findings(story, allow_outside)
        found += [item for item in more if item.code in CERTAIN_CODES and spot(item) not in taken]
    return tuple(sorted(found, key=position))


def _plan_findings(story: Story, allow_outside: bool) -> tuple[Diagnostic, ...]:
    try:
        return plan_story(story, allow_outside=allow_outside, fingerprint=False)[1]
    except OnestoryError as fault:
        return fault.diagnostics


def plan_story(
    story: Story, *, until: str | None = None, allow_outside: bool = False, fingerprint: bool = True
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a loaded story, and warnings about the plan.

    Raises:
        Findings: what the model cannot do, including warnings.
        OnestoryError: the model is not found or its folder lacks files, or `until` is not a shot.
    """
    from onestory_cli.models.fingerprint import fingerprint_of
    from onestory_cli.models.lora_names import require_loras
    from onestory_cli.planning.assets import with_loras, with_preset_loras
    from onestory_cli.planning.jobs import FirstShotModel
    from onestory_cli.planning.planner import make_plan

    spec = with_loras(_model_of(story, "model", allow_outside, whole=fingerprint), story)
    require_loras(spec, place=story.places.get("lora"))
    first_shot_model = None
    if story.first_shot_model:
        first = _model_of(story, "first_shot_model", allow_outside, whole=fingerprint)
        first = with_preset_loras(first, story)
        first_shot_model = FirstShotModel(spec=first, fingerprint=fingerprint_of(first) if fingerprint else "")
    return make_plan(
        story,
        spec,
        model_fingerprint=fingerprint_of(spec) if fingerprint else "",
        first_shot_model=first_shot_model,
        until=until,
    )


def _model_of(
    story: Story, key: Literal["model", "first_shot_model"], allow_outside: bool, *, whole: bool
) -> ModelSpec:
    """The model that a story names under `key`; errors point to that key.

    With `whole`, a model folder or file must be complete. Weights to download may be missing: a plan needs none.

    Raises:
        OnestoryError: S155 if it is outside the story's folder and the working directory, and all that `find` and
            `require_files` raise.
    """
    from onestory_cli.models.availability import require_files
    from onestory_cli.models.catalog import CATALOG, find

    folder, name = Path(story.path).parent, str(getattr(story, key))
    try:
        if key == "model" and story.external is not None:
            return _external_model(story.external, name, folder, allow_outside=allow_outside)
        if not allow_outside and name not in CATALOG:
            _refuse_outside(folder, name)
            _refuse_outside(folder, *_paths_in_card(folder / name))
        spec = find(name, relative_to=folder)
        if whole and spec.files.path:
            require_files(spec)
    except OnestoryError as fault:
        fault.place = fault.place or story.places.get(key)
        raise
    return spec


def _external_model(source: Mapping[str, Any], name: str, folder: Path, *, allow_outside: bool) -> ModelSpec:
    """The spec of a workflow or a command of a story, whose files and server must be local.

    Raises:
        OnestoryError: S155 for a file outside of the story's folder, M556 for another machine, M551 for invalid files.
    """
    from onestory_cli.models.external import DEFAULT_SERVER, external_spec, require_loopback

    if not allow_outside:
        paths = [source.get("workflow"), source.get("card")]
        _refuse_outside(folder, *(path for path in paths if isinstance(path, str)))
        require_loopback(str(source.get("server", DEFAULT_SERVER)))
    return external_spec(source, name=name, folder=folder)


def _paths_in_card(folder: Path) -> list[str]:
    """The files and folders that the card of a model folder names; `find` reports a card that cannot be read."""
    from onestory_cli.models.catalog import CARD, CATALOG
    from onestory_cli.utils.untrusted import read_json_map

    try:
        card = read_json_map(folder / CARD)
    except (OSError, ValueError):
        return []
    named = [card.get(key) for key in ("base", "transformer", "transformer_2")]
    return [str(folder / name) for name in named if isinstance(name, str) and name not in CATALOG]


def _refuse_outside(folder: Path, *names: str) -> None:
    """Raise S155 for the first existing path that is outside `folder`, the story's, and the working directory."""
    roots = [Path(os.path.realpath(root)) for root in (folder, Path())]
    for path in (root / name for name in names if name for root in (folder, Path())):
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(root) for root in roots) and os.path.lexists(path):
            raise OnestoryError(
                "S155",
                f'the model "{shorten(path, 200)}" is outside the story\'s folder',
                help="move it there, or pass `--allow-outside` if you trust the story",
            )
