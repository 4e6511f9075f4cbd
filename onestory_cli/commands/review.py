"""`onestory review`: a local page to look at takes, accept them, ask for others and watch a render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Device, Profile, argument, flag
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.locate import STORY_SUFFIXES, find_run, folder_for, story_for

if TYPE_CHECKING:
    from onestory_cli.review.server import ReviewServer


def command(
    context: typer.Context,
    path: Annotated[
        Path | None, argument(metavar="[STORY|DIR]", help="Story, or its run directory [default: the only *.run here].")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 0,
    open_page: Annotated[bool, flag("--open", help="Open the page in the browser.")] = False,
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
        screen.line(server.address)
        screen.note("press Ctrl-C to end", style="dim")
        if open_page:
            typer.launch(server.address)

    serve(server, port=port, started=started)
    return ExitCode.DONE


def missing_extra(fault: ModuleNotFoundError) -> OnestoryError:
    """The error for a package of the extra `review` that is not installed."""
    return OnestoryError(
        "U610",
        f"{fault.name} is not installed",
        help="run pip install 'onestory[review]'",
        exit=ExitCode.MACHINE,
    )


def _places(path: Path | None) -> tuple[Path, Path | None]:
    """The run directory, which may not exist yet, and the story next to it."""
    if path is not None and path.suffix in STORY_SUFFIXES and not path.is_dir():
        return folder_for(path), path
    run = find_run(path).path
    return run, story_for(run)
