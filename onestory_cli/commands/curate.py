"""`onestory curate`: footage in, a training manifest with referential captions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._curate_options import CurateOutput, CurateWorkers, RecipeFlags
from onestory_cli.commands._options import Device, Json, argument, gather, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.events import StopAsked

if TYPE_CHECKING:
    from onestory_cli.curation.recipe import CurateRecipe


@gather
def command(
    context: typer.Context,
    *,
    videos: Annotated[list[str], argument(metavar="VIDEO...", help="Video files, folders, or .txt lists of paths.")],
    out: Annotated[Path, option("--out", metavar="SET", help="Folder of the set.")],
    recipe: RecipeFlags,
    make: Annotated[
        str | None,
        option("--as", metavar="KIND", help='Also write a .story.yaml of each film, with "story".'),
    ] = None,
    workers: CurateWorkers,
    explain: Annotated[
        str | None, option("--explain", metavar="SHOT", help="Also print why this shot is kept or rejected.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Turn footage into a training manifest: shots, referential captions and relevance labels."""
    from onestory_cli.curation.videos import find_videos

    settings = recipe.settings()
    _refuse_impossible_story(make, settings)
    found = find_videos(videos)
    from onestory_cli.curation.run import Curation
    from onestory_cli.curation.video_curator import CuratorConfig, find_device

    screen = screen_of(context)
    output = CurateOutput(out=out, explain=explain, stories=make is not None)
    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        where = device if workers.ray else find_device(device, settings)  # machines of a cluster have their own
        config = CuratorConfig(out=out, recipe=settings, folder=recipe.folder, device=where)
        try:
            with Curation(config, workers.pool(config)) as curation:
                summary = curation.run(found, show, signals.asked, look=output.add)
        except KeyboardInterrupt:
            return signals.exit
    output.require_verdict()
    if json:
        screen.document("curate", **output.document(summary))
    else:
        for line in output.lines():
            screen.line(line)
    return ExitCode.DONE


def _refuse_impossible_story(make: str | None, settings: CurateRecipe) -> None:
    if make not in (None, "story"):
        message = f'--as: unknown kind "{shorten(make)}"'
        raise OnestoryError("T651", message, help="use `--as story`", exit=ExitCode.USAGE)
    if make and not settings.captions.captioner:
        help = "name who writes them with --captioner"
        raise OnestoryError("T654", "a story needs captions", help=help, exit=ExitCode.USAGE)
