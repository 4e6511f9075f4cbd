"""`onestory schema`: print a JSON Schema, or write it where editors find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli import schemas
from onestory_cli.commands._options import Json, flag
from onestory_cli.commands._schema_file import install_schema
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode, did_you_mean

WHICH = (
    "Files: story, shots (a line of a training manifest). Output of `--json`: events (a line per event of a render), "
    f"{', '.join(name for name in schemas.NAMES if name not in ('story', 'shots', 'events'))}."
)


def command(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help=WHICH, autocompletion=lambda: [*schemas.NAMES])
    ] = "story",
    install: Annotated[
        bool, flag("--install", help="Write NAME.v1.schema.json into this folder, for editors, and print its path.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Print the JSON Schema of a file format or of a command's JSON output."""
    if name not in schemas.NAMES:
        hint = did_you_mean(name, schemas.NAMES) or f"use one of {', '.join(schemas.NAMES)}"
        raise typer.BadParameter(f'unknown schema "{name}"; {hint}', param_hint="NAME")
    screen, file = screen_of(context), install_schema(Path(), name) if install else None
    if json:
        screen.document("schema", name=name, json_schema=schemas.load(f"{name}.v1"))
    elif file:
        screen.line(str(file))
    else:
        screen.lines(schemas.text(f"{name}.v1").rstrip().splitlines())
    return ExitCode.DONE
