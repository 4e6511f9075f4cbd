"""`onestory batch`: many stories, or one many times; a film each, by several workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.compiling import compile_story
from onestory_cli.commands.options import AllowOutside, CheckpointSeconds, Device, Json, flag
from onestory_cli.commands.same import same_command
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.commands.stopping import StopSignals
from onestory_cli.commands.weights import require_ready
from onestory_cli.errors import Diagnostic, ExitCode, Findings, OnestoryError
from onestory_cli.events import StopAsked

if TYPE_CHECKING:
    from onestory_cli.batch.films import Film
    from onestory_cli.batch.render_story import Work
    from onestory_cli.batch.result import Result
    from onestory_cli.batch.run import Hands, Planned
    from onestory_cli.plan import Plan


def command(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Stories, folders of them, or patterns in quotes.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the run directories and batch.json go.")],
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="N,N", help="A film of each story for each seed.", show_default=False)
    ] = "",
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME,NAME", help="And for each profile.", show_default=False)
    ] = "",
    set: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Put a value into all stories; may be repeated."),
    ] = [],  # noqa: B006 (Typer reads the default and never changes it)
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Films made at a time; else 1, or with --ray one per GPU.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="CPU threads of a worker; else a fair part of them."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Work on this Ray cluster; or local.", show_default=False),
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option("--slurm", metavar="NAME=VALUE,", help="Work on Slurm, so; or auto.", show_default=False),
    ] = None,
    fail_fast: Annotated[bool, flag("--fail-fast", help="Stop all films when one fails.")] = False,
    device: Device = "auto",
    checkpoint_seconds: CheckpointSeconds = 30.0,
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> ExitCode:
    """Make many films, by several workers; the same command goes on where it stopped."""
    from onestory_cli.batch.films import films_of, find_stories
    from onestory_cli.batch.render_story import Work
    from onestory_cli.batch.run import run_batch
    from onestory_cli.story.setting import Setting

    films = films_of(
        find_stories(files),
        out,
        profiles=_names(profile),
        seeds=_numbers(seeds),
        settings=tuple(Setting.of(text) for text in set),
    )
    planned, warnings = plan_all(films, allow_outside=allow_outside)
    screen = screen_of(context)
    screen.findings(warnings)
    work = Work(device=device, threads=threads, share=workers or 1, checkpoint_seconds=checkpoint_seconds)
    hands = hands_of(work, workers, out, ray=ray, slurm=slurm)
    with screen.watch_films(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        try:
            result = run_batch(planned, out, hands, show, stop=signals.asked, fail_fast=fail_fast)
        except KeyboardInterrupt:
            result = None
    if signals.asked() and (result is None or result.exit):
        screen.note("interrupted: finished shots are kept; go on with")
        screen.note(f"  {same_command(context)}", style="bold")
        return signals.exit
    assert result is not None
    show_result(screen, result, json=json)
    if result.exit:
        screen.note("finished shots are kept; mend what failed, then go on with")
        screen.note(f"  {same_command(context)}", style="bold")
    return result.exit


def hands_of(work: Work, workers: int | None, out: Path, *, ray: str | None, slurm: str | None) -> Hands:
    """Who does the work: processes of this machine, unless a cluster was named."""
    from onestory_cli.batch.run import Hands

    if ray and slurm:
        raise typer.BadParameter("give --ray or --slurm, not both", param_hint="--slurm")
    if ray:
        from onestory_cli.batch.on_ray import connect, on_ray, workers_of

        connect(ray)
        number = workers or workers_of(work)
        return Hands(where="ray", workers=number, hire=lambda: on_ray(ray, work, number, out))
    if slurm:
        from onestory_cli.batch.on_slurm import on_slurm, parameters_of

        parameters = parameters_of(slurm)
        return Hands(where="slurm", workers=workers or 1, hire=lambda: on_slurm(parameters, work, workers or 1, out))
    from onestory_cli.batch.local import Processes

    return Hands(where="local", workers=work.share, hire=lambda: Processes(work))


def plan_all(films: Sequence[Film], *, allow_outside: bool) -> tuple[list[Planned], list[Diagnostic]]:
    """The plans of all films, and the warnings about them, each once.

    Raises:
        Findings: all that is wrong with any of the stories.
        OnestoryError: M5xx where a model cannot be used here, whatever film asks for it.
    """
    from onestory_cli.batch.run import Planned

    planned: list[Planned] = []
    found: dict[Diagnostic, None] = {}
    faults: list[OnestoryError] = []
    for film in films:
        try:
            plan, warnings = _compile(film, allow_outside)
        except OnestoryError as fault:
            faults.append(fault)
            found |= dict.fromkeys(fault.diagnostics)
        else:
            planned.append(Planned(film=film, plan=plan))
            found |= dict.fromkeys(warnings)
    if faults:
        refusal = Findings(tuple(found))
        refusal.exit = min(fault.exit for fault in faults)  # 1 when a story is wrong, whatever else is
        raise refusal
    for spec in {item.plan.model.name: item.plan.model for item in planned}.values():
        require_ready(spec)
    return planned, list(found)


def _compile(film: Film, allow_outside: bool) -> tuple[Plan, tuple[Diagnostic, ...]]:
    plan, warnings = compile_story(film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside)
    if not film.settings:
        return plan, warnings
    try:
        return compile_story(
            film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside, settings=film.settings
        )
    except Findings as fault:  # the story itself is right, as it stands
        given = " ".join(f"--set {setting}" for setting in film.settings)
        marked = (replace(item, message=f"{item.message} (with {given})") for item in fault.diagnostics)
        raise Findings(tuple(marked)) from fault


def show_result(screen: Screen, result: Result, *, json: bool) -> None:
    """One row per film."""
    if json:
        screen.document("batch", **result.document())
        return
    rows = [
        (
            row.film.name,
            row.outcome.state,
            str(row.outcome.rendered),
            str(row.outcome.kept),
            str(row.file or row.film.run),
        )
        for row in result.rows
    ]
    screen.table(("film", "state", "rendered", "kept", "path"), rows, right=("rendered", "kept"))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(name) for name in _names(text))
    except ValueError as fault:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers", param_hint="--seeds") from fault
