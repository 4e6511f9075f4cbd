"""`onestory export`: write a film for an editor, a player or a web page."""

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
    to: Annotated[Target, typer.Option("--to", help="Format.", show_default=False)],
    folder: RunArgument = None,
    out: Annotated[
        Path | None, option("--out", metavar="PATH", help="Path [default: film.* in the run directory].")
    ] = None,
    force: Annotated[bool, flag("--force", help="Replace an earlier export.")] = False,
    json: Json = False,
) -> ExitCode:
    """Write a film as a timeline, subtitles, frames, ProRes, GIF or WebP, or as MP4 with a subtitle track."""
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
