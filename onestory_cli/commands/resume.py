"""`onestory resume`: goes on with a run from nothing but its directory."""

from __future__ import annotations

import typer

from onestory_cli.commands.fitting import FittingFlags, fit_plan
from onestory_cli.commands.gathering import gather
from onestory_cli.commands.making import MakingFlags, make_film
from onestory_cli.commands.options import Json, RunArgument
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import screen_of
from onestory_cli.commands.together import together
from onestory_cli.errors import ExitCode


@together
@gather
def command(
    context: typer.Context,
    *,
    folder: RunArgument = None,
    making: MakingFlags,
    fitting: FittingFlags,
    json: Json = False,
) -> ExitCode:
    """Go on with an interrupted run."""
    from onestory_cli.render import load_run_plan

    run, screen = find_run(folder), screen_of(context)
    return make_film(
        screen,
        "resume",
        fit_plan(screen, load_run_plan(run), fitting, making.device),
        run,
        making,
        json=json,
    )
