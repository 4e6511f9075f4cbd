"""`onestory batch`: many stories, or one many times; a film each, by several workers."""

from __future__ import annotations

from typing import Annotated

import typer

from onestory_cli.commands._batch_options import FilmFlags, WorkerFlags, plan_all, show_result, sign_films
from onestory_cli.commands._command_line import command_line
from onestory_cli.commands._execution_options import FittingFlags, fit_plans
from onestory_cli.commands._junit import BatchResults, junit_on_exit
from onestory_cli.commands._options import AllowOutside, CheckpointSeconds, Device, Json, JUnit, Sign, flag, gather
from onestory_cli.commands._render_film import read_signer
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import StopAsked


@gather
def command(
    context: typer.Context,
    *,
    asked: FilmFlags,
    workers: WorkerFlags,
    fitting: FittingFlags,
    fail_fast: Annotated[bool, flag("--fail-fast", help="Stop all films when one fails.")] = False,
    device: Device = "auto",
    checkpoint_seconds: CheckpointSeconds = 30.0,
    allow_outside: AllowOutside = False,
    junit: JUnit = None,
    sign: Sign = None,
    json: Json = False,
) -> ExitCode:
    """Make many films, by several workers; the same command goes on where it stopped."""
    from onestory_cli.batch.run_batch import run_batch

    screen, results = screen_of(context), BatchResults()
    with junit_on_exit(junit, results.suites):
        plans = plan_all(asked.films(), allow_outside=allow_outside)
        results.planned(plans)
        plans.require_all()
        screen.findings(plans.findings)
        plans = plans.fit(lambda found: fit_plans(screen, found, fitting, device))
        signer = read_signer(*sign) if sign else None
        backend = workers.backend(asked.out, device=device, checkpoint_seconds=checkpoint_seconds)
        with screen.watch_films(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
            try:
                result = run_batch(plans.planned, asked.out, backend, show, stop=signals.asked, fail_fast=fail_fast)
            except KeyboardInterrupt:
                result = None
        if result:
            results.ended(result)
    if signals.asked() and (result is None or result.exit):
        _say_how_to_go_on(context, "interrupted: finished shots are kept; go on with")
        return signals.exit
    assert result is not None
    show_result(screen, result, sign_films(plans, result, signer) if signer else (), json=json)
    if result.exit:
        _say_how_to_go_on(context, "finished shots are kept; mend what failed, then go on with")
    return result.exit


def _say_how_to_go_on(context: typer.Context, why: str) -> None:
    screen = screen_of(context)
    screen.note(why)
    screen.note(f"  {command_line(context)}", style="bold")
