"""`onestory resume`: continue a run from its directory alone."""

from __future__ import annotations

import typer

from onestory_cli.commands._execution_options import FittingFlags, distributed, fit_plan
from onestory_cli.commands._options import AllowServer, Json, RunArgument, gather
from onestory_cli.commands._render_film import RenderFlags, make_film
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run


@distributed
@gather
def command(
    context: typer.Context,
    *,
    folder: RunArgument = None,
    making: RenderFlags,
    fitting: FittingFlags,
    allow_outside: AllowServer = False,
    json: Json = False,
) -> ExitCode:
    """Continue an interrupted run."""
    from onestory_cli.rendering.resume import load_render_plan

    run, screen = find_run(folder), screen_of(context)
    plan = fit_plan(screen, load_render_plan(run, allow_outside=allow_outside), fitting, making.device)
    return make_film(screen, "resume", plan, run, making, json=json)
