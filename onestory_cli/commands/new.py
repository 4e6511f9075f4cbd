"""`onestory new`: write a commented story to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._files import write_new
from onestory_cli.commands._options import Json
from onestory_cli.commands._schema_file import install_for_editors
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.utils.text import shell_quote

SUFFIX = ".story.yaml"


def command(
    context: typer.Context,
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Name of the story, with or without a folder.")],
    json: Json = False,
) -> ExitCode:
    """Write a commented starter story, and its JSON Schema for editors."""
    from onestory_cli.story.starter import starter_story

    stem = name.name.removesuffix(SUFFIX)
    if not stem.strip("."):
        raise typer.BadParameter("a story needs a name", param_hint="NAME")
    path = name.with_name(stem + SUFFIX)
    write_new(path, starter_story(stem))
    screen, next = screen_of(context), f"onestory render {shell_quote(path)}"
    install_for_editors(screen, path)
    if json:
        screen.document("new", path=str(path), next=[next])
    else:
        screen.line(str(path))
        screen.note(f"next: {next}", style="dim")
    return ExitCode.DONE
