"""From a story file to its plan: the way that validate, plan and render share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from onestory_cli.errors import Diagnostic, Findings, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.plan import Plan
    from onestory_cli.story.types import Story


def compile_story(
    file: Path,
    *,
    profile: str | None = None,
    seed: int | None = None,
    until: str | None = None,
    allow_outside: bool = False,
    fingerprint: bool = True,
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story and the warnings about both. Without `fingerprint` the model's weights are not read.

    Raises:
        Findings: everything that is wrong with the story, warnings included.
        OnestoryError: the model is not there, or `until` is no shot.
    """
    from onestory_cli.models.fingerprint import fingerprint_of
    from onestory_cli.plan import OtherModel, make_plan
    from onestory_cli.story.load import load_story

    story, warnings = load_story(file, profile=profile, seed=seed, allow_outside=allow_outside)
    spec, first = _model_of(story, "model"), _model_of(story, "first_shot_model") if story.first_shot_model else None
    print_of = fingerprint_of if fingerprint else (lambda _: "")
    try:
        plan, more = make_plan(
            story,
            spec,
            model_fingerprint=print_of(spec),
            first=OtherModel(spec=first, fingerprint=print_of(first)) if first else None,
            until=until,
        )
    except Findings as fault:
        raise Findings((*fault.diagnostics, *warnings)) from fault
    return plan, (*warnings, *more)


def _model_of(story: Story, key: Literal["model", "first_shot_model"]) -> ModelSpec:
    """The model that a story names under `key`; an error about it points there in the file."""
    from onestory_cli.models.catalog import find

    try:
        return find(getattr(story, key), beside=Path(story.path).parent)
    except OnestoryError as fault:
        fault.place = fault.place or story.places.get(key)
        raise
