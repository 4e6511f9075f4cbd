"""`onestory batch`: many stories, or one story many times, each as a film, by several workers."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._batch_options import FilmFlags, WorkerFlags, show_result, sign_films, write_report
from onestory_cli.commands._ci_results import BatchResults, FailOn, bad_takes, has_failed, junit_on_exit
from onestory_cli.commands._command_line import command_line
from onestory_cli.commands._execution_options import FittingFlags, fit_plans
from onestory_cli.commands._options import (
    AllowCommands,
    AllowOutside,
    CheckpointSeconds,
    Device,
    Json,
    JUnit,
    KeepOriginal,
    MaxSeconds,
    Sign,
    flag,
    gather,
)
from onestory_cli.commands._render_film import read_signer
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import StopAsked

if TYPE_CHECKING:
    from onestory_cli.batch.plan_films import BatchPlan
    from onestory_cli.batch.result import BatchResult
    from onestory_cli.batch.run_batch import Backend


@gather
def command(
    context: typer.Context,
    *,
    asked: FilmFlags,
    workers: WorkerFlags,
    fitting: FittingFlags,
    fail_fast: Annotated[bool, flag("--fail-fast", help="Stop all films when one fails.")] = False,
    skip_invalid: Annotated[
        bool, flag("--skip-invalid", help="Count stories with errors as failed films, and render the others.")
    ] = False,
    fail_on: FailOn = None,
    device: Device = "auto",
    checkpoint_seconds: CheckpointSeconds = 30.0,
    keep_original: KeepOriginal = False,
    max_seconds: MaxSeconds = None,
    allow_outside: AllowOutside = False,
    allow_commands: AllowCommands = False,
    junit: JUnit = None,
    sign: Sign = None,
    report: Annotated[
        bool, flag("--report", help="Also write report.html into DIR: the films by story, seed, profile and setting.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Render many films with several workers. The same command resumes an interrupted batch."""
    screen, results = screen_of(context), BatchResults(fail_on)
    with junit_on_exit(junit, results.suites):
        plans = _plan(screen, asked, results, skip_invalid=skip_invalid, allow_outside=allow_outside)
        if has_failed(plans.findings, fail_on):
            return ExitCode.FINDINGS
        plans.require_models()
        plans = plans.fit(lambda found: fit_plans(screen, found, fitting, device))
        signer = read_signer(*sign) if sign else None
        backend = workers.backend(
            asked.out,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            allow_commands=allow_commands,
            keep_original=keep_original,
        )
        limit = max_seconds or math.inf
        result, signals = _run(screen, plans, asked.out, backend, fail_fast=fail_fast, max_seconds=limit, json=json)
        if result:
            results.ended(result)
    if signals.asked() and (result is None or result.exit):
        _note_command(context, "interrupted: finished shots are kept; continue with")
        return signals.exit
    assert result is not None
    page = write_report(result, asked.out) if report else None
    signed = sign_films(plans, result, signer) if signer else ()
    show_result(screen, result, signed, next=[command_line(context)] if result.exit else [], json=json)
    if page:
        screen.note(f"report: {page}")
    if result.exit:
        _note_command(context, _reason_to_continue(result, max_seconds))
        return result.exit
    return ExitCode.FINDINGS if fail_on and _has_bad_takes(plans, fail_on) else ExitCode.DONE


def _plan(
    screen: Screen, asked: FilmFlags, results: BatchResults, *, skip_invalid: bool, allow_outside: bool
) -> BatchPlan:
    """Plan all films and show their findings.

    Raises:
        OnestoryError: stories have errors, and `skip_invalid` is not set or no film is left.
    """
    from onestory_cli.batch.plan_films import plan_films

    plans = plan_films(asked.films(), allow_outside=allow_outside)
    results.planned(plans)
    if not skip_invalid or not plans.planned:
        plans.require_valid()
    screen.findings(plans.findings)
    return plans


def _reason_to_continue(result: BatchResult, max_seconds: float | None) -> str:
    if max_seconds and set(result.states) <= {"done", "stopped", "left"}:
        return f"stopped after {max_seconds:g} s (--max-seconds): finished shots are kept; continue with"
    return "finished shots are kept; fix what failed, then continue with"


def _run(
    screen: Screen, plans: BatchPlan, out: Path, backend: Backend, *, fail_fast: bool, max_seconds: float, json: bool
) -> tuple[BatchResult | None, StopSignals]:
    """Run the batch with its progress on the screen; None if a second signal ended it."""
    from onestory_cli.batch.run_batch import run_batch

    deadline = time.monotonic() + max_seconds
    with screen.watch_films(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        try:
            result = run_batch(
                plans.planned,
                out,
                backend,
                show,
                refused=plans.refused,
                stop=lambda: signals.asked() or time.monotonic() > deadline,
                fail_fast=fail_fast,
            )
        except KeyboardInterrupt:
            result = None
    return result, signals


def _has_bad_takes(plans: BatchPlan, fail_on: str) -> bool:
    from onestory_cli.store.run import Run

    return any(bad_takes(item.plan, Run.open(item.film.run), fail_on) for item in plans.planned)


def _note_command(context: typer.Context, why: str) -> None:
    screen = screen_of(context)
    screen.note(why)
    screen.note(f"  {command_line(context)}", style="bold")
