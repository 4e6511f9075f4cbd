"""`onestory evaluate` of a film: a run directory or a folder of clips."""

from __future__ import annotations

import json as json_
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._command_line import was_given
from onestory_cli.commands._files import write_result
from onestory_cli.commands._options import flag, option
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import CATALOG, is_model
from onestory_cli.models.networks import DEFAULTS
from onestory_cli.store.locate import STORY_SUFFIXES, find_run

if TYPE_CHECKING:
    from onestory_cli.evaluation.videos.films import MeasuredFilm
    from onestory_cli.evaluation.videos.result import VideoResult
    from onestory_cli.models.networks import Role


@dataclass(frozen=True, kw_only=True)
class MeasureFlags:
    """Options that apply to a film."""

    story: Annotated[Path | None, option("--story", metavar="FILE", help="For a folder of clips: their story.")] = None
    embedder: Annotated[
        str, typer.Option("--embedder", metavar="NAME", help='Embedding network for films, or "none".')
    ] = DEFAULTS["embedder"]
    detector: Annotated[
        str,
        typer.Option(
            "--detector",
            metavar="NAME",
            help='Network that detects characters in films (GroundingDINO or D-FINE), or "none".',
        ),
    ] = DEFAULTS["detector"]
    aligner: Annotated[
        str,
        typer.Option(
            "--aligner",
            metavar="NAME",
            help='Network that compares clips with captions (X-CLIP or SigLIP2), or "none".',
        ),
    ] = DEFAULTS["aligner"]
    readout: Annotated[
        bool,
        flag(
            "--readout",
            help="For storyworld films: use the read-out of the package instead of other networks.",
        ),
    ] = False
    export_vbench: Annotated[
        Path | None,
        option(
            "--export-vbench",
            metavar="FOLDER",
            help="For films: write clips and captions in the layout of VBench, and measure nothing.",
        ),
    ] = None

    @property
    def networks(self) -> dict[Role, str]:
        """The name of the network for each role."""
        return {"embedder": self.embedder, "detector": self.detector, "aligner": self.aligner}


# parameters of the command that apply to a film, to both, and to an export; the others apply to a model
NETWORKS = ("embedder", "detector", "aligner")
FILM_OPTIONS = {field.name for field in fields(MeasureFlags)}
COMMON_OPTIONS = {"model", "out", "markdown", "device", "force", "json"}
EXPORT_OPTIONS = {"model", "story", "export_vbench", "json"}


def is_film(argument: str) -> bool:
    """Whether the argument is a film: a folder that is not a model, or a story."""
    folder = Path(argument)
    if _is_story(folder):
        return True
    return argument not in CATALOG and folder.is_dir() and not is_model(folder)


def _is_story(path: Path) -> bool:
    return path.suffix in STORY_SUFFIXES and path.is_file()


def film_folder(argument: str) -> Path:
    """The folder of a film; that of the run next to a story.

    Raises:
        OnestoryError: R402 if a story has no run.
    """
    path = Path(argument)
    return find_run(path).path if _is_story(path) else path


def refuse_other_options(context: typer.Context, argument: str) -> None:
    """Refuse options that do not apply to what is measured, or that have no effect.

    Raises:
        typer.BadParameter: names the first one.
    """
    film = is_film(argument)
    given = [name for name in context.params if was_given(context, name)]
    wrong = [name for name in given if name not in COMMON_OPTIONS and (name in FILM_OPTIONS) is not film]
    if wrong:
        kind = "model" if film else "film"
        said = f'{_switch(wrong[0])} applies to a {kind}, but "{argument}" is a {"film" if film else "model"}'
        raise typer.BadParameter(said)
    unused = [name for name in given if name not in EXPORT_OPTIONS]
    if unused and "export_vbench" in given:
        raise typer.BadParameter(f"--export-vbench measures nothing: remove {_switch(unused[0])}")
    networks = [name for name in NETWORKS if name in given]
    if networks and "readout" in given:
        raise typer.BadParameter(f"--readout replaces the networks: remove {_switch(networks[0])} or --readout")


def evaluate_film(
    screen: Screen,
    folder: Path,
    asked: MeasureFlags,
    *,
    out: Path | None,
    markdown: bool,
    device: str,
    json: bool,
) -> ExitCode:
    """Measure a film and show the result, or export it."""
    film = _film(folder, asked.story)
    if asked.export_vbench:
        return _export(screen, film, asked.export_vbench, json=json)
    result = _measure(screen, folder, film, asked, device)
    try:
        if out:
            write_result(out, (json_.dumps(result.document(), indent=2) + "\n").encode())
    finally:  # print the result even if the file cannot be written
        _print(screen, result, markdown=markdown, json=json)
    if result.missing:
        screen.note(f"skipped, no complete clip: {', '.join(result.missing)}")
    return ExitCode.DONE


def _measure(screen: Screen, folder: Path, film: MeasuredFilm, asked: MeasureFlags, device: str) -> VideoResult:
    with screen.watch() as show:
        from onestory_cli.models.networks import source_of

        sources = {role: source_of(role, name) for role, name in asked.networks.items()}
        from onestory_cli.evaluation.videos.run import load_networks, measure_film
        from onestory_cli.evaluation.videos.world import load_readout_reader

        reader = load_readout_reader(folder) if asked.readout else load_networks(sources, device)
        return measure_film(film, reader, emit=show)


def _print(screen: Screen, result: VideoResult, *, markdown: bool, json: bool) -> None:
    if json:
        screen.line(json_.dumps(result.document()))
    elif markdown:
        screen.lines(result.markdown().rstrip().splitlines())
    else:
        _show(screen, result)


def _show(screen: Screen, result: VideoResult) -> None:
    from onestory_cli.evaluation.videos.result import COLUMNS, SHOT_COLUMNS

    screen.table(COLUMNS, result.table(), right=COLUMNS[1:2])
    screen.line("")
    screen.table(SHOT_COLUMNS, result.shot_table(), right=SHOT_COLUMNS[1:7])
    screen.note(f"{len(result.shots)} clips in {result.seconds:.0f} s")


def _film(folder: Path, story: Path | None) -> MeasuredFilm:
    from onestory_cli.evaluation.videos.films import read_film
    from onestory_cli.story.load import load_story

    return read_film(folder, load_story(story)[0] if story else None)


def _export(screen: Screen, film: MeasuredFilm, folder: Path, *, json: bool) -> ExitCode:
    from onestory_cli.evaluation.videos.vbench import export_vbench

    command = export_vbench(film, folder)
    if json:
        screen.document("export-vbench", folder=str(folder), clips=len(film.clips), command=command)
    else:
        screen.line(str(folder))
        screen.note(f"run in an environment with VBench: {command}")
    return ExitCode.DONE


def _switch(name: str) -> str:
    return f"--{name.replace('_', '-')}"
