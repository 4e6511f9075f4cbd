"""`onestory plan`: what a render would do, what it would keep, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._ci_results import FailOn, has_failed
from onestory_cli.commands._completion import story_shots
from onestory_cli.commands._options import (
    AllowOutside,
    FindingsFormat,
    Json,
    Profile,
    RunFolder,
    Seed,
    StoryFile,
    flag,
    option,
)
from onestory_cli.commands._plan_view import show_plan, show_why
from onestory_cli.commands._screen import OutputFormat, screen_of
from onestory_cli.errors import ExitCode, Findings
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.run import Run


def command(
    context: typer.Context,
    file: StoryFile,
    run: RunFolder = None,
    profile: Profile = None,
    seed: Seed = None,
    why: Annotated[
        str | None,
        option("--why", metavar="SHOT", help="Explain the decision about one shot.", autocompletion=story_shots),
    ] = None,
    exit_code: Annotated[bool, flag("--exit-code", help="Exit with 1 unless every shot would be kept.")] = False,
    fail_on: FailOn = None,
    allow_outside: AllowOutside = False,
    format: FindingsFormat = OutputFormat.FULL,
    json: Json = False,
) -> ExitCode:
    """Show what would be rendered and why, what would be kept, and what the model will read."""
    from onestory_cli.store.reuse import forecast

    screen, as_json = screen_of(context), json or format is OutputFormat.JSON
    try:
        plan, warnings = compile_story(file, profile=profile, seed=seed, allow_outside=allow_outside)
    except Findings as fault:
        if as_json:
            raise
        screen.findings(fault.diagnostics, format=format)
        return fault.exit
    made = existing_run(run or folder_for(file))
    decisions = forecast(plan, made)
    if why:
        plan.job(why)
        show_why(screen, decisions, why, models=_models(plan, made), json=as_json)
        return ExitCode.DONE
    pending = any(decision.action != "keep" for decision in decisions)
    next = [f"onestory render {shell_quote(file)}"] if pending else []
    show_plan(screen, plan, decisions, warnings, format=OutputFormat.JSON if json else format, next=next)
    return ExitCode.FINDINGS if (exit_code and pending) or has_failed(warnings, fail_on) else ExitCode.DONE


def _models(plan: Plan, run: Run | None) -> dict[str, str]:
    """The names of the model of the run and of the plan, by fingerprint."""
    used = run.model_used() if run else None
    return {**({used.fingerprint: used.name} if used else {}), plan.model_fingerprint: plan.model.name}
