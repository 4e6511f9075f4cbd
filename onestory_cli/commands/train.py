"""`onestory train`: a recipe in, a model folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands.options import Device, Json, flag
from onestory_cli.commands.screen import screen_of
from onestory_cli.errors import ExitCode, OnestoryError


def command(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to work; else beside the recipe.", show_default=False),
    ] = None,
    resume: Annotated[bool, flag("--resume", help="Go on with the training that is there already.")] = False,
    stage: Annotated[
        str | None, typer.Option("--stage", metavar="NAME", help="Stop after this stage.", show_default=False)
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Train a model that `model:` of a story can name."""
    folder = out or recipe.with_suffix(".train")
    if not resume and folder.is_dir() and any(folder.iterdir()):
        help = "go on with it by --resume, or name another folder by --out DIR"
        raise OnestoryError("U603", f'"{folder}" holds a training already', help=help, exit=ExitCode.USAGE)
    screen = screen_of(context)
    with screen.watch(json=json) as show:
        from onestory_cli.models.load import pick_device
        from onestory_cli.training.run import train

        model = train(recipe, folder, show, device=str(pick_device(device)), stage=stage)
    if json:
        screen.document("train", model=str(model))
    else:
        screen.line(str(model))
    return ExitCode.DONE
