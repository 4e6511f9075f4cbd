"""`onestory review`: a local page to look at takes, accept them, ask for others and watch a render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Device, Profile, argument, flag
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._served_page import OpenPage, Port, announce_page, missing_extra
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import STORY_SUFFIXES, find_run, folder_for, story_for

if TYPE_CHECKING:
    from onestory_cli.review.server import ReviewServer


def command(
    context: typer.Context,
    path: Annotated[
        Path | None, argument(metavar="[STORY|DIR]", help="Story, or its run directory [default: the only *.run here].")
    ] = None,
    port: Port = 0,
    open_page: OpenPage = False,
    read_only: Annotated[bool, flag("--read-only", help="Show everything and change nothing.")] = False,
    profile: Profile = None,
    device: Device = "auto",
) -> ExitCode:
    """Serve a local page to compare and accept takes, edit captions and watch a render. Ctrl-C ends it."""
    try:
        from onestory_cli.review.serve import open_server, serve
    except ModuleNotFoundError as fault:
        raise missing_extra(fault) from fault
    run, story = _places(path)
    screen = screen_of(context)
    server = open_server(run, story, profile=profile, read_only=read_only, device=device, display=screen.watch)

    def started(server: ReviewServer) -> None:
        announce_page(server, screen, "press Ctrl-C to end", open_page=open_page)

    serve(server, port=port, started=started)
    return ExitCode.DONE


def _places(path: Path | None) -> tuple[Path, Path | None]:
    """The run directory, which may not exist yet, and the story next to it."""
    if path is not None and path.suffix in STORY_SUFFIXES and not path.is_dir():
        return folder_for(path), path
    run = find_run(path).path
    return run, story_for(run)
