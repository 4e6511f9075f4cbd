"""The plan of a run from nothing but its directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.planning.assets import with_loras
from onestory_cli.planning.jobs import FirstShotModel, Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.disk import has_digest
from onestory_cli.store.inputs import model_of_run, story_of
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState


def load_run_plan(run: Run) -> Plan:
    """The plan of the story, the options and the pictures that the run was last given.

    Raises:
        OnestoryError: R402 for a run that was given nothing yet, R404 or S216 when what it keeps is damaged, M5xx when
            its model is gone.
    """
    state = run.state()
    if state is None:
        raise OnestoryError("R402", f'"{run.path}" is no run directory', help="give `onestory render` a story first")
    story = story_of(run, state)
    spec = with_loras(model_of_run(state.model), story, state.loras)
    first = model_of_run(state.first_model) if state.first_model else None
    plan, _ = make_plan(
        story,
        spec,
        model_fingerprint=fingerprint_of(spec),
        first_shot_model=FirstShotModel(spec=first, fingerprint=fingerprint_of(first)) if first else None,
        images=_pictures(run, state),
    )
    return replace(plan, given=state.given)


def _pictures(run: Run, state: RunState) -> dict[str, Path]:
    """The frozen copy of each picture, by its path in the story."""
    copies = {path: run.input_file(path, digest) for path, digest in state.inputs.items()}
    for path, copy in copies.items():
        if not has_digest(copy, state.inputs[path]):
            raise OnestoryError(
                "S216",
                f'the copy of image "{path}" that the run keeps is missing or damaged: "{copy}"',
                help="render from the story file again: it is copied anew",
                exit=ExitCode.MACHINE,
            )
    return copies
