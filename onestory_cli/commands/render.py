"""`onestory render`: a story in, a film out; what is finished already is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands.compiling import compile_story
from onestory_cli.commands.completing import story_shots
from onestory_cli.commands.fitting import (
    Attention,
    CompileBlocks,
    FittingFlags,
    OffloadFlag,
    Quantise,
    VaeTiling,
    Vram,
    fit_plan,
)
from onestory_cli.commands.junit import JUnitFile
from onestory_cli.commands.making import make_film
from onestory_cli.commands.options import (
    AllowOutside,
    CheckpointSeconds,
    Device,
    Json,
    JUnit,
    Profile,
    RetryBad,
    RunFolder,
    Seed,
    StoryFile,
    Until,
    flag,
)
from onestory_cli.commands.plan import show_plan
from onestory_cli.commands.runs import existing_run, folder_for
from onestory_cli.commands.screen import Format, screen_of
from onestory_cli.commands.together import together
from onestory_cli.errors import ExitCode


@together
def command(
    context: typer.Context,
    file: StoryFile,
    run: RunFolder = None,
    profile: Profile = None,
    seed: Seed = None,
    until: Until = None,
    force: Annotated[
        list[str],
        typer.Option(
            "--force", metavar="SHOT", help="Render this shot again; may be repeated.", autocompletion=story_shots
        ),
    ] = [],  # noqa: B006 (Typer reads the default and never changes it)
    takes: Annotated[
        int, typer.Option("--takes", metavar="N", min=1, help="Have N takes of each shot; the accepted one counts.")
    ] = 1,
    shot: Annotated[
        str | None,
        typer.Option(
            "--shot",
            metavar="SHOT",
            help="With --takes: of this shot only.",
            show_default=False,
            autocompletion=story_shots,
        ),
    ] = None,
    device: Device = "auto",
    vram: Vram = None,
    offload: OffloadFlag = None,
    quantise: Quantise = None,
    vae_tiling: VaeTiling = None,
    attention: Attention = "",
    compile_blocks: CompileBlocks = False,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    retry_bad: RetryBad = 0,
    allow_outside: AllowOutside = False,
    junit: JUnit = None,
    sign: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--sign",
            metavar="CERT KEY",
            help="Write a signed copy too, film.signed.mp4, with a C2PA manifest: made by a model.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", help="Show the plan and render nothing.")] = False,
    json: Json = False,
) -> ExitCode:
    """Render the shots that are missing and join the film."""
    flags = FittingFlags(
        vram=vram,
        offload=offload,
        quantise=quantise,
        vae_tiling=vae_tiling,
        attention=attention,
        compile_blocks=compile_blocks,
    )
    screen = screen_of(context)
    with JUnitFile(None if dry_run else junit, file) as results:
        plan, warnings = compile_story(file, profile=profile, seed=seed, until=until, allow_outside=allow_outside)
        plan = fit_plan(screen, plan, flags, device)
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
            device=device,
            force=force,
            takes=wanted,
            checkpoint_seconds=checkpoint_seconds,
            retry_bad=retry_bad,
            sign=sign,
            json=json,
        )
