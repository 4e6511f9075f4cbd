"""`onestory render`: a story in, a film out; what is finished already is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from onestory_cli.commands._distributed import together
from onestory_cli.commands._execution_options import FittingFlags, fit_plan
from onestory_cli.commands._junit import JUnitFile
from onestory_cli.commands._options import (
    AllowOutside,
    Force,
    Json,
    JUnit,
    Profile,
    RunFolder,
    Seed,
    StoryFile,
    Takes,
    TakesOf,
    Until,
    flag,
    gather,
)
from onestory_cli.commands._render_film import MakingFlags, make_film
from onestory_cli.commands._screen import Format, screen_of
from onestory_cli.commands.plan import show_plan
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for


@together
@gather
def command(
    context: typer.Context,
    *,
    file: StoryFile,
    run: RunFolder = None,
    profile: Profile = None,
    seed: Seed = None,
    until: Until = None,
    force: Force = [],  # noqa: B006 (Typer reads the default and never changes it)
    takes: Takes = 1,
    shot: TakesOf = None,
    making: MakingFlags,
    fitting: FittingFlags,
    allow_outside: AllowOutside = False,
    junit: JUnit = None,
    dry_run: Annotated[bool, flag("--dry-run", help="Show the plan and render nothing.")] = False,
    json: Json = False,
) -> ExitCode:
    """Render the shots that are missing and join the film."""
    screen = screen_of(context)
    with JUnitFile(None if dry_run else junit, file) as results:
        plan, warnings = compile_story(file, profile=profile, seed=seed, until=until, allow_outside=allow_outside)
        plan = fit_plan(screen, plan, fitting, making.device)
        folder = run or folder_for(file)
        if dry_run:
            from onestory_cli.store.reuse import forecast

            decisions = forecast(plan, existing_run(folder), force=force)
            show_plan(screen, plan, decisions, warnings, format=Format.JSON if json else Format.FULL)
            return ExitCode.DONE
        from onestory_cli.store.run import Run

        screen.findings(warnings)
        results.planned(plan, folder)
        shots = [shot] if shot else [job.shot for job in plan.jobs]
        wanted = dict.fromkeys(shots, takes) if takes > 1 else {}
        return make_film(
            screen,
            "render",
            plan,
            Run.create(folder),
            making,
            force=force,
            takes=wanted,
            json=json,
        )
