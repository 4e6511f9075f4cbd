"""`onestory watch`: after each save of a story, show its findings and render what is stale."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import story_profiles
from onestory_cli.commands._options import Device, RunFolder, StoryFile, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.commands._served_page import OpenPage, Port, announce_page, missing_extra
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.locate import folder_for

if TYPE_CHECKING:
    from onestory_cli.review.server import ReviewServer
    from onestory_cli.review.watcher import CheckedStory

DRAFT = "draft"


def command(
    context: typer.Context,
    file: StoryFile,
    profile: Annotated[
        str | None,
        option(
            "--profile",
            metavar="NAME",
            help="Profile to render with [default: draft, if the story has it].",
            autocompletion=story_profiles,
        ),
    ] = None,
    run: RunFolder = None,
    port: Port = 0,
    open_page: OpenPage = False,
    device: Device = "auto",
) -> ExitCode:
    """After each save, show what is wrong or stale, render it, and refresh the page. Ctrl-C ends it."""
    try:
        from onestory_cli.review.serve import open_server, serve
        from onestory_cli.review.watcher import StoryWatcher
    except ModuleNotFoundError as fault:
        raise missing_extra(fault) from fault
    screen = screen_of(context)
    profile = profile or _draft_of(file)
    folder = run or _folder(file, profile)
    server = open_server(folder, file, profile=profile, device=device, display=screen.watch, require_story=False)
    watcher = StoryWatcher(server.session, server.queue, lambda checked: _report(screen, file, checked))

    def started(server: ReviewServer) -> None:
        announce_page(server, screen, f"watching {file}; press Ctrl-C to end", open_page=open_page)
        watcher.start()

    serve(server, port=port, started=started, ending=watcher.stop)
    return ExitCode.DONE


def _draft_of(file: Path) -> str | None:
    """The profile `draft` if the story can be read and has it."""
    from onestory_cli.story.load import read_bytes
    from onestory_cli.story.source import parse

    try:
        value = parse(read_bytes(file), str(file)).value
    except OnestoryError:
        return None
    profiles = value.get("profiles") if isinstance(value, dict) else None
    return DRAFT if isinstance(profiles, dict) and DRAFT in profiles else None


def _folder(file: Path, profile: str | None) -> Path:
    """`film.draft.run`, so that takes of a profile never replace accepted takes of the film itself."""
    folder = folder_for(file)
    return folder.with_name(f"{folder.stem}.{profile}.run") if profile else folder


def _report(screen: Screen, file: Path, checked: CheckedStory) -> None:
    now = time.strftime("%H:%M:%S")
    screen.findings(checked.findings)
    if checked.work is None:
        screen.note(f"{now} {file.name} has errors; still watching", style="bold red")
    elif checked.work.shots:
        screen.note(f"{now} {checked.work}: {', '.join(checked.work.shots)}", style="bold")
    else:
        screen.note(f"{now} nothing is stale", style="dim")
