"""From a story file to its plan: the way that validate, plan and render share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from onestory_cli.errors import Diagnostic, Findings, OnestoryError, shorten

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.story.overrides import Setting
    from onestory_cli.story.types import Story


def compile_story(
    file: Path,
    *,
    profile: str | None = None,
    seed: int | None = None,
    until: str | None = None,
    allow_outside: bool = False,
    fingerprint: bool = True,
    settings: Sequence[Setting] = (),
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story and the warnings about both. Without `fingerprint` the model's weights are not read.

    `settings` are put into the story's text first.

    Raises:
        Findings: everything that is wrong with the story, warnings included.
        OnestoryError: the model is not there, or `until` is no shot.
    """
    from onestory_cli.story.load import read_bytes, read_story
    from onestory_cli.story.overrides import with_settings

    data = with_settings(read_bytes(file), str(file), settings)
    story, warnings = read_story(data, str(file), profile=profile, seed=seed, allow_outside=allow_outside)
    try:
        plan, more = plan_story(story, until=until, allow_outside=allow_outside, fingerprint=fingerprint)
    except Findings as fault:
        raise Findings((*fault.diagnostics, *warnings)) from fault
    return plan, (*warnings, *more)


def plan_story(
    story: Story, *, until: str | None = None, allow_outside: bool = False, fingerprint: bool = True
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story that was loaded, and the warnings about the plan.

    Raises:
        Findings: what the model cannot do, warnings included.
        OnestoryError: the model is not there, or `until` is no shot.
    """
    from onestory_cli.models.fingerprint import fingerprint_of
    from onestory_cli.planning.jobs import OtherModel
    from onestory_cli.planning.loras import with_loras
    from onestory_cli.planning.planner import make_plan

    spec = with_loras(_model_of(story, "model", allow_outside), story)
    first = _model_of(story, "first_shot_model", allow_outside) if story.first_shot_model else None
    print_of = fingerprint_of if fingerprint else (lambda _: "")
    return make_plan(
        story,
        spec,
        model_fingerprint=print_of(spec),
        first=OtherModel(spec=first, fingerprint=print_of(first)) if first else None,
        until=until,
    )


def _model_of(story: Story, key: Literal["model", "first_shot_model"], allow_outside: bool) -> ModelSpec:
    """The model that a story names under `key`; an error about it points there in the file.

    Raises:
        OnestoryError: S155 for files outside of the story's folder and of the current one, and all that `find` says.
    """
    from onestory_cli.models.catalog import CATALOG, find

    beside, name = Path(story.path).parent, str(getattr(story, key))
    try:
        if not allow_outside and name not in CATALOG:
            _refuse_outside(beside, name)
            _refuse_outside(beside, *_led_on_to(beside / name))
        spec = find(name, beside=beside)
    except OnestoryError as fault:
        fault.place = fault.place or story.places.get(key)
        raise
    return spec


def _led_on_to(folder: Path) -> list[str]:
    """The files and folders that the card of a model folder names; a card that cannot be read is told by `find`."""
    from onestory_cli.models.cards import read_json_map
    from onestory_cli.models.catalog import CARD, CATALOG

    try:
        card = read_json_map(folder / CARD)
    except (OSError, ValueError):
        return []
    named = [card.get(key) for key in ("base", "transformer", "transformer_2")]
    return [str(folder / name) for name in named if isinstance(name, str) and name not in CATALOG]


def _refuse_outside(beside: Path, *names: str) -> None:
    """S155 for the first of the files or folders that is there, and leads out of the story's folder and the current."""
    roots = [Path(os.path.realpath(root)) for root in (beside, Path())]
    for path in (root / name for name in names if name for root in (beside, Path())):
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(root) for root in roots) and os.path.lexists(path):
            raise OnestoryError(
                "S155",
                f'the model "{shorten(path, 200)}" is outside of the story\'s folder',
                help="move it there, or give the story and all that it names your trust by `--allow-outside`",
            )
