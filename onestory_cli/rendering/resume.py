"""Read the plan of a run from its directory."""

from __future__ import annotations

from dataclasses import replace

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import read_user_models
from onestory_cli.models.external import require_loopback
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.planning.assets import with_loras, with_preset_loras
from onestory_cli.planning.jobs import FirstShotModel, Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.inputs import input_copy, model_of_run, story_of
from onestory_cli.store.run import Run


def load_run_plan(run: Run) -> Plan:
    """The plan of the story, the options and the files of the last render.

    Raises:
        OnestoryError: R402 if nothing was rendered yet, R404 or S216 if a file of the run is damaged, M5xx if its model
            does not exist any more.
    """
    state = run.state()
    if state is None:
        raise OnestoryError("R402", f'"{run.path}" has no run.json', help="render the story file first")
    story = story_of(run, state)
    spec = with_loras(model_of_run(state.model), story, state.loras)
    first = with_preset_loras(model_of_run(state.first_model), story) if state.first_model else None
    plan, _ = make_plan(
        story,
        spec,
        model_fingerprint=fingerprint_of(spec),
        first_shot_model=FirstShotModel(spec=first, fingerprint=fingerprint_of(first)) if first else None,
        images={path: input_copy(run, state, path) for path in state.inputs},
    )
    return replace(plan, given=state.given)


def load_render_plan(run: Run, *, allow_outside: bool = False) -> Plan:
    """The plan of the last render, to render again: a run directory of unknown origin cannot name another machine.

    Raises:
        OnestoryError: M556 for such a server, unless `allow_outside`; and all that `load_run_plan` raises.
    """
    plan = load_run_plan(run)
    model = plan.model.external
    if model and model.server and not allow_outside and plan.model.name not in read_user_models():
        require_loopback(model.server)
    return plan
