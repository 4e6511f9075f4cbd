"""`onestory curate`: footage in, a training manifest with referential captions out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Device, Json, argument, gather, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.events import StopAsked

if TYPE_CHECKING:
    from onestory_cli.curation.recipe import CurateRecipe
    from onestory_cli.curation.run import CurateSummary
    from onestory_cli.curation.video_stages import CuratedVideo


@gather
def command(
    context: typer.Context,
    videos: Annotated[list[str], argument(metavar="VIDEO...", help="Video files, folders, or .txt lists of paths.")],
    out: Annotated[Path, option("--out", metavar="SET", help="Folder of the set.")],
    recipe: Annotated[
        Path | None, option("--recipe", metavar="FILE", help="Thresholds and settings, a YAML file.")
    ] = None,
    detector: Annotated[
        str | None, option("--detector", metavar="NAME", help="Shot detector: adaptive or transnetv2.")
    ] = None,
    captioner: Annotated[
        str | None,
        option("--captioner", metavar="WHO", help="Who writes captions: file:PATH, endpoint:URL, hub:ID or readout."),
    ] = None,
    caption_model: Annotated[
        str | None, option("--caption-model", metavar="NAME", help="Model that the endpoint is asked for.")
    ] = None,
    encoders: Annotated[
        str | None, option("--encoders", metavar="IDS", help='Image encoders, separated by commas, or "none".')
    ] = None,
    cast: Annotated[
        str | None,
        option("--cast", metavar="NAME", help="What finds characters: dfine-small, another D-FINE, readout or none."),
    ] = None,
    make: Annotated[
        str | None,
        option("--as", metavar="KIND", help='Also write a .story.yaml of each film, with "story".'),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that find cuts.")] = 1,
    explain: Annotated[
        str | None, option("--explain", metavar="SHOT", help="Also print why this shot is kept or rejected.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Turn footage into a training manifest: shots, referential captions and relevance labels."""
    from onestory_cli.curation.recipe import faults_of, read_curate_recipe
    from onestory_cli.curation.videos import find_videos

    settings = _overridden(read_curate_recipe(recipe), detector, captioner, caption_model, encoders, cast)
    if faults := [*faults_of(settings)]:
        raise OnestoryError("T651", "; ".join(faults), help="see `onestory help curate`", exit=ExitCode.USAGE)
    if make not in (None, "story"):
        raise OnestoryError(
            "T651", f'--as: unknown kind "{shorten(make)}"', help="use `--as story`", exit=ExitCode.USAGE
        )
    if make and not settings.captions.captioner:
        help = "name who writes them with --captioner"
        raise OnestoryError("T654", "a story needs captions", help=help, exit=ExitCode.USAGE)
    found = find_videos(videos)
    from onestory_cli.curation.run import Curation

    screen = screen_of(context)
    folder = recipe.parent if recipe else Path()
    verdicts: list[str] = []
    stories: list[Path] = []

    def look(video: CuratedVideo) -> None:
        verdicts.extend(
            f"{shot.id}: {'; '.join(shot.rejected) or 'kept'}" for shot in video.shots if shot.id == explain
        )
        if make and video.sequences:
            stories.append(_write_story(video, out))

    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        where = _device(device, settings)
        try:
            with Curation(out, settings, folder=folder, device=where, workers=workers) as curation:
                summary = curation.run(found, show, signals.asked, look=look)
        except KeyboardInterrupt:
            return signals.exit
    if explain is not None and not verdicts:
        help = "the report shows the id of each shot"
        raise OnestoryError("T655", f'no shot "{shorten(explain)}" in this set', help=help, exit=ExitCode.USAGE)
    if json:
        screen.document("curate", **_document(out, summary, verdicts, stories))
    else:
        for line in verdicts or stories or [out / "shots.jsonl"]:
            screen.line(str(line))
    return ExitCode.DONE


def _document(out: Path, summary: CurateSummary, verdicts: list[str], stories: list[Path]) -> dict[str, object]:
    return {
        "manifest": str(out / "shots.jsonl"),
        "report": str(out / "report.html"),
        "videos": summary.videos,
        "shots": summary.shots,
        "kept": summary.kept,
        "sequences": summary.sequences,
        "rejected": dict(summary.reasons),
        "faults": [{"video": video, "fault": fault} for video, fault in summary.faults],
        "explained": verdicts,
        "stories": [str(path) for path in stories],
    }


def _overridden(
    recipe: CurateRecipe,
    detector: str | None,
    captioner: str | None,
    model: str | None,
    encoders: str | None,
    cast: str | None,
) -> CurateRecipe:
    """The recipe with what the command line says."""
    if detector is not None:
        recipe = replace(recipe, cuts=replace(recipe.cuts, detector=detector))
    if captioner is not None:
        recipe = replace(recipe, captions=replace(recipe.captions, captioner=captioner))
    if model is not None:
        recipe = replace(recipe, captions=replace(recipe.captions, model=model))
    if cast is not None:
        recipe = replace(recipe, cast=replace(recipe.cast, detector=cast))
    if encoders is not None:
        names = () if encoders == "none" else tuple(filter(None, map(str.strip, encoders.split(","))))
        recipe = replace(recipe, encoders=names)
    return recipe


def _device(device: str, recipe: CurateRecipe) -> str:
    """The device of the networks; the CPU, without loading torch, where there are none."""
    networks = {*recipe.encoders, recipe.cast.detector} - {"none", "readout", ""}
    if not networks and not recipe.captions.captioner.startswith("hub:"):
        return "cpu"
    from onestory_cli.models.load import pick_device

    return str(pick_device(device))


def _write_story(video: CuratedVideo, out: Path) -> Path:
    from onestory_cli.curation.film_story import MODEL, write_film_story
    from onestory_cli.models.catalog import find

    model = find(MODEL)
    return write_film_story(video, out, longest=(model.frames - 1) / model.fps)
