"""`onestory new`: a commented story to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import Json
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.text import shell_quote

SUFFIX = ".story.yaml"


def command(
    context: typer.Context,
    name: Annotated[Path, typer.Argument(metavar="NAME", help="What to call it, with or without a folder.")],
    json: Json = False,
) -> ExitCode:
    """Write a commented starter story."""
    from onestory_cli.story.starter import starter_story

    stem = name.name.removesuffix(SUFFIX)
    if not stem.strip("."):
        raise typer.BadParameter("a story needs a name", param_hint="NAME")
    path = name.with_name(stem + SUFFIX)
    write_new(path, starter_story(stem))
    screen = screen_of(context)
    if json:
        screen.document("new", path=str(path))
    else:
        screen.line(str(path))
        screen.note(f"next: onestory render {shell_quote(path)}", style="dim")
    return ExitCode.DONE


def write_new(path: Path, text: str) -> None:
    """Write `text` to a file that must not exist yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as fault:
        message, help = f'"{fault.filename}" exists already', "choose another name, or delete it first"
        raise OnestoryError("U605", message, help=help) from fault
    except OSError as fault:
        message = f'"{path}" cannot be written: {fault.strerror}'
        raise OnestoryError("U608", message, help="choose another place", exit=ExitCode.MACHINE) from fault
