"""What a run was last given, from nothing but its directory: the story and the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from onestory_cli.errors import Findings
from onestory_cli.models.catalog import ModelSpec, find_recorded
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.store.layout import STORY
from onestory_cli.store.run import Run
from onestory_cli.store.state import ModelUsed, RunState
from onestory_cli.story.merge import build_story
from onestory_cli.story.schema import check
from onestory_cli.story.source import parse
from onestory_cli.story.types import Story


def model_of_run(used: ModelUsed) -> ModelSpec:
    """The card of the model that a run was rendered with.

    Raises:
        OnestoryError: M502 when its folder is gone or holds another kind of thing.
    """
    return replace(find_recorded(used.name, Path(used.folder)), execution=ExecutionConfig(**used.fitting))


def story_of(run: Run, state: RunState) -> Story:
    """The story that run.json holds. It was checked when it was frozen; here only its text is, by this version."""
    source = parse(state.source, str(run.path / STORY))
    checked = check(source)
    if checked.value is None or source.findings or checked.findings:
        raise Findings((*source.findings, *checked.findings))
    story, _ = build_story(source, checked.value, profile=state.profile, seed=state.seed)
    return story
