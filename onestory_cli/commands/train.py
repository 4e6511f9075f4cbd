"""`onestory train`: a recipe in, a model folder out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import Device, Json, argument, flag, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit


def command(
    context: typer.Context,
    recipe: Annotated[Path, argument(metavar="RECIPE", help="Recipe, a YAML file.")],
    out: Annotated[
        Path | None, option("--out", metavar="DIR", help="Folder of the training [default: next to the recipe].")
    ] = None,
    data: Annotated[
        Path | None,
        option("--data", metavar="SET", help="Train an adapter on this set of `curate` instead of the recipe's data."),
    ] = None,
    resume: Annotated[bool, flag("--resume", help="Resume the training in this folder.")] = False,
    stage: Annotated[str | None, option("--stage", metavar="NAME", help="Stop after this stage.")] = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Train a model, or an adapter for a base. A story uses the result as `model:`."""
    folder = out or recipe.with_suffix(".train")
    first = int(os.environ.get("RANK", "0")) == 0  # of the processes of `accelerate launch`
    if first and not resume and folder.is_dir() and any(folder.iterdir()):
        help = "pass --resume to continue it, or choose another folder with --out DIR"
        raise OnestoryError("U603", f'"{folder}" already holds a training', help=help, exit=ExitCode.USAGE)
    screen = screen_of(context)
    with screen.watch(json=json) as show:
        model = _train(recipe, folder, show, device=device, stage=stage, data=data)
    if not first:
        return ExitCode.DONE
    if json:
        screen.document("train", model=str(model))
    else:
        screen.line(str(model))
    return ExitCode.DONE


def _train(recipe: Path, folder: Path, show: Emit, *, device: str, stage: str | None, data: Path | None) -> Path:
    """Train an adapter if the recipe names a base, otherwise a model from scratch."""
    from onestory_cli.models.load import pick_device
    from onestory_cli.training.adapter.recipe import is_adapter_recipe

    found = pick_device(device)
    if not is_adapter_recipe(recipe):
        if data is not None:
            help = "name a recipe with the key `base`, such as examples/recipes/wan2.1-t2v-1.3b.yaml"
            raise OnestoryError("T601", f"{recipe}: --data is for adapters", help=help, exit=ExitCode.USAGE)
        from onestory_cli.training.run import train

        return train(recipe, folder, show, device=str(found), stage=stage)
    if stage is not None:
        help = "remove --stage; `train: {steps: N}` sets the length"
        raise OnestoryError("T601", f"{recipe}: an adapter has no stages", help=help, exit=ExitCode.USAGE)
    from onestory_cli.training.adapter.run import train_adapter

    return train_adapter(recipe, folder, show, device=found.type, data=data)
