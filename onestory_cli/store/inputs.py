"""The story and the model of a run, read from its directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from onestory_cli.errors import ExitCode, Findings, OnestoryError
from onestory_cli.models.catalog import ModelSpec, find, find_recorded, read_user_models
from onestory_cli.models.external import external_spec
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.store.disk import has_digest
from onestory_cli.store.layout import STORY
from onestory_cli.store.run import Run
from onestory_cli.store.state import ModelUsed, RunState
from onestory_cli.story.include import include
from onestory_cli.story.merge import build_story
from onestory_cli.story.schema import check
from onestory_cli.story.source import parse
from onestory_cli.story.types import Story


def model_of_run(used: ModelUsed) -> ModelSpec:
    """The spec of a model that a run was rendered with. The row of an external model in the user's file comes first.

    Raises:
        OnestoryError: M502 if its folder does not exist or is not a model.
    """
    if used.external:
        if used.name in read_user_models():
            return find(used.name)
        return external_spec(used.external, name=used.name, folder=Path(used.folder))
    return replace(find_recorded(used.name, Path(used.folder)), execution=ExecutionConfig(**used.fitting))


def story_of(run: Run, state: RunState) -> Story:
    """The story in run.json. Its files were validated when it was stored; this only parses and checks the text.

    Raises:
        OnestoryError: S216 if the copy of an included file is missing or damaged.
    """
    source = parse(state.source, str(run.path / STORY))
    checked = check(source)
    if checked.value is None or checked.valid is None or source.findings or checked.findings:
        raise Findings((*source.findings, *checked.findings))
    whole = include(source, checked.value, checked.valid, lambda path: input_copy(run, state, path).read_bytes())
    if whole.findings:
        raise Findings(whole.findings)
    story, _ = build_story(whole.source, whole.value, profile=state.profile, seed=state.seed, included=whole.files)
    return story


def input_copy(run: Run, state: RunState, path: str) -> Path:
    """The run's copy of a file that its story names.

    Raises:
        OnestoryError: S216 if it is missing or damaged.
    """
    digest = state.inputs.get(path, "")
    copy = run.input_file(path, digest)
    if not digest or not has_digest(copy, digest):
        raise OnestoryError(
            "S216",
            f'the copy of "{path}" in the run is missing or damaged: "{copy}"',
            help="render from the story file again to copy it",
            exit=ExitCode.MACHINE,
        )
    return copy
