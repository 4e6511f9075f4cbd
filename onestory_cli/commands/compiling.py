"""From a story file to its plan: the way that validate, plan and render share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
    from onestory_cli.plan import make_plan
    from onestory_cli.story.load import load_story

    story, warnings = load_story(file, profile=profile, seed=seed, allow_outside=allow_outside)
    spec = _model_of(story)
    try:
        plan, more = make_plan(story, spec, model_fingerprint=fingerprint_of(spec) if fingerprint else "", until=until)
    except Findings as fault:
        raise Findings((*fault.diagnostics, *warnings)) from fault
    return plan, (*warnings, *more)


def _model_of(story: Story) -> ModelSpec:
    """The model that a story names; an error about it points at `model:` in the file."""
    from onestory_cli.models.catalog import find

    try:
        return find(story.model, beside=Path(story.path).parent)
    except OnestoryError as fault:
        fault.place = fault.place or story.places.get("model")
        raise
