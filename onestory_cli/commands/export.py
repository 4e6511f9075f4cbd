"""`onestory export`: a film handed on, to an editor, a player or a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import Json, RunArgument, flag, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.export.target import Target
from onestory_cli.store.locate import find_run


def command(
    context: typer.Context,
    to: Annotated[Target, typer.Option("--to", help="What to write.", show_default=False)],
    folder: RunArgument = None,
    out: Annotated[
        Path | None, option("--out", metavar="PATH", help="Where to; else film.* in the run directory.")
    ] = None,
    force: Annotated[bool, flag("--force", help="Replace what an earlier export wrote.")] = False,
    json: Json = False,
) -> ExitCode:
    """Hand a film on: as a timeline, as subtitles, as frames, ProRes or GIF, or with a track of subtitles."""
    from onestory_cli.export.cut import read_cut
    from onestory_cli.export.sounds import sound_warnings
    from onestory_cli.export.write import default_path, export

    run, screen = find_run(folder), screen_of(context)
    cut = read_cut(run)
    path = out or default_path(run.path, to)
    screen.findings((*cut.warnings, *sound_warnings(cut, to)))
    export(cut, to, path, force=force)
    if json:
        screen.document("export", run=str(run.path), to=to, path=str(path), shots=len(cut.shots), missing=cut.missing)
    else:
        screen.line(str(path))
    return ExitCode.DONE
