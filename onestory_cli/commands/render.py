"""`onestory render`: a story in, a film out. Finished shots are kept."""

from __future__ import annotations

from typing import Annotated

import typer

from onestory_cli.commands._ci_results import FailOn, RenderResults, has_failed, junit_on_exit
from onestory_cli.commands._command_line import command_line
from onestory_cli.commands._execution_options import FittingFlags, distributed, fit_plan
from onestory_cli.commands._options import (
    AllowOutside,
    Force,
    Json,
    JUnit,
    NewSeed,
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
from onestory_cli.commands._plan_view import show_plan
from onestory_cli.commands._render_film import RenderFlags, RenderWishes, make_film
from onestory_cli.commands._screen import OutputFormat, Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for


@distributed
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
    new_seed: NewSeed = [],  # noqa: B006
    takes: Takes = 1,
    shot: TakesOf = None,
    making: RenderFlags,
    fitting: FittingFlags,
    fail_on: FailOn = None,
    allow_outside: AllowOutside = False,
    junit: JUnit = None,
    dry_run: Annotated[bool, flag("--dry-run", help="Show the plan and render nothing.")] = False,
    json: Json = False,
) -> ExitCode:
    """Render the shots that are missing and join the film."""
    if shot and takes == 1:
        raise typer.BadParameter("--shot needs --takes N; use --until SHOT to render up to a shot", param_hint="--shot")
    screen, results = screen_of(context), RenderResults(file, fail_on)
    with junit_on_exit(None if dry_run else junit, results.suites):
        plan, warnings = compile_story(file, profile=profile, seed=seed, until=until, allow_outside=allow_outside)
        plan = fit_plan(screen, plan, fitting, making.device)
        folder = run or folder_for(file)
        if dry_run:
            from onestory_cli.store.reuse import forecast

            for name in (*force, *new_seed, *([shot] if shot else [])):
                plan.job(name)  # an unknown shot is an error, as in a render
            decisions = forecast(plan, existing_run(folder), force=force)
            format = OutputFormat.JSON if json else OutputFormat.FULL
            next = [command_line(context, without="--dry-run")] if any(it.action != "keep" for it in decisions) else []
            show_plan(screen, plan, decisions, warnings, format=format, next=next)
            return ExitCode.DONE
        from onestory_cli.store.run import Run

        screen.findings(warnings)
        if has_failed(warnings, fail_on):
            return ExitCode.FINDINGS
        results.planned(plan, folder)
        _explain_force(screen, force)
        shots = [shot] if shot else [job.shot for job in plan.jobs]
        wishes = RenderWishes(force=force, new_seed=new_seed, takes=dict.fromkeys(shots, takes) if takes > 1 else {})
        return make_film(screen, "render", plan, Run.create(folder), making, wishes=wishes, fail_on=fail_on, json=json)


def _explain_force(screen: Screen, shots: list[str]) -> None:
    if shots:
        screen.note(f"--force keeps the seed, so the picture stays the same; use --new-seed {shots[0]} for another one")
