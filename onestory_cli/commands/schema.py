"""`onestory schema`: the JSON Schemas that ship with the program."""

from __future__ import annotations

import json as jsonlib
from importlib.resources import files
from typing import Annotated

import typer

from onestory_cli.commands.options import Json
from onestory_cli.commands.screen import screen_of
from onestory_cli.errors import ExitCode

SCHEMAS = {
    "story": "story.v1.schema.json",
    "shots": "shots.v1.schema.json",
    "inspect-memory": "inspect-memory.v1.schema.json",
    "batch": "batch.v1.schema.json",
}


def command(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help=f"Which: {', '.join(SCHEMAS)}.", autocompletion=lambda: [*SCHEMAS])
    ] = "story",
    json: Json = False,
) -> ExitCode:
    """Print the JSON Schema of a file or document, for editors and checks."""
    if name not in SCHEMAS:
        raise typer.BadParameter(f"no schema is called {name!r}; there is {', '.join(SCHEMAS)}", param_hint="NAME")
    text = files("schemas").joinpath(SCHEMAS[name]).read_text(encoding="utf-8")
    if json:
        screen_of(context).document("schema", name=name, json_schema=jsonlib.loads(text))
    else:
        screen_of(context).line(text.rstrip())
    return ExitCode.DONE
