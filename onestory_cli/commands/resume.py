"""`onestory resume`: goes on with a run from nothing but its directory."""

from __future__ import annotations

import typer

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
from onestory_cli.commands.making import make_film
from onestory_cli.commands.options import CheckpointSeconds, Device, Json, RetryBad, RunArgument
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import screen_of
from onestory_cli.commands.together import together
from onestory_cli.errors import ExitCode


@together
def command(
    context: typer.Context,
    folder: RunArgument = None,
    device: Device = "auto",
    vram: Vram = None,
    offload: OffloadFlag = None,
    quantise: Quantise = None,
    vae_tiling: VaeTiling = None,
    attention: Attention = "",
    compile_blocks: CompileBlocks = False,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    retry_bad: RetryBad = 0,
    json: Json = False,
) -> ExitCode:
    """Go on with an interrupted run."""
    from onestory_cli.render import load_run_plan

    run, screen = find_run(folder), screen_of(context)
    flags = FittingFlags(
        vram=vram,
        offload=offload,
        quantise=quantise,
        vae_tiling=vae_tiling,
        attention=attention,
        compile_blocks=compile_blocks,
    )
    return make_film(
        screen,
        "resume",
        fit_plan(screen, load_run_plan(run), flags, device),
        run,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
        retry_bad=retry_bad,
        json=json,
    )
