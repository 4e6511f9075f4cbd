"""`onestory inspect-memory`: what each shot took from which, how relevant it was, and at what price."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.completing import run_shots
from onestory_cli.commands.options import Json, RunArgument
from onestory_cli.commands.reporting import ScoresFile, scores_in, write_page
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.errors import ExitCode, did_you_mean
from onestory_cli.models.catalog import POLICIES

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport, Memory, ShotReport
    from onestory_cli.report.what_if import Wish


def command(
    context: typer.Context,
    folder: RunArgument = None,
    shot: Annotated[
        str | None,
        typer.Option(
            "--shot",
            metavar="SHOT",
            help="Only this shot, frame by frame.",
            show_default=False,
            autocompletion=run_shots,
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help=f"Select again with another policy: {', '.join(POLICIES)}.",
            show_default=False,
            autocompletion=lambda: [*POLICIES],
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option("--frames", metavar="K", min=0, help="Select again, at most K frames.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="B", min=0, help="Select again, for B latent frames of tokens.", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page instead, as `report` does.", show_default=False),
    ] = None,
    scores: ScoresFile = None,
    json: Json = False,
) -> ExitCode:
    """Show what each shot remembered, how relevant it was, and at what price."""
    from onestory_cli.report.data import read_film
    from onestory_cli.report.what_if import Wish

    if scores and not html:
        raise typer.BadParameter("--scores is drawn on the page: name one with --html")
    wish = Wish(policy=_known(policy), frames=frames, budget=budget)
    film, screen = read_film(find_run(folder)), screen_of(context)
    shots = film.shots if shot is None else (film.shot(shot),)
    if html:
        write_page(film, html, screen, scores=scores_in(scores, film), json=json)
        return ExitCode.DONE
    wished = _select_again(film, shots, wish) if wish else None
    if json:
        _document(film, shots, wish, wished, screen)
    elif shot is None:
        _overview(film, wished, screen)
    else:
        _detail(film, shots[0], wished[0] if wished else None, screen)
    if wish and not json:
        screen.note(f"selected again from the scores on record, with {wish}; nothing was rendered")
    return ExitCode.DONE


def _known(policy: str | None) -> str | None:
    if policy is not None and policy not in POLICIES:
        hint = did_you_mean(policy, POLICIES) or f"there are {', '.join(POLICIES)}"
        raise typer.BadParameter(f'no policy "{policy}"; {hint}', param_hint="--policy")
    return policy


def _select_again(film: FilmReport, shots: tuple[ShotReport, ...], wish: Wish) -> list[Memory]:
    from onestory_cli.report.what_if import select_again
    from onestory_cli.store.frozen import model_of_run

    levels = model_of_run(film.state.model).levels
    return [select_again(shot, wish, levels) for shot in shots]


def _overview(film: FilmReport, wished: list[Memory] | None, screen: Screen) -> None:
    from onestory_cli.report.lines import overview

    screen.styled(overview(film, wished or [shot.memory for shot in film.shots], width=screen.width))


def _detail(film: FilmReport, shot: ShotReport, wished: Memory | None, screen: Screen) -> None:
    from onestory_cli.report.lines import change_line, detail
    from onestory_cli.report.what_if import Change

    screen.styled(detail(shot, shot.memory, wished, shots=len(film.story.shots)))
    if wished:
        change = change_line(Change.between(shot.memory, wished), shot.memory, wished)
        screen.styled([(), [(f"Selected again, {shot.id} {change}.", "bold")]])
    if screen.shows_pictures and shot.memory.sources:
        _thumbnails(wished or shot.memory, screen)


def _thumbnails(memory: Memory, screen: Screen) -> None:
    from onestory_cli.report.thumbnails import thumbnail_lines

    screen.styled(thumbnail_lines(memory, width=screen.width))


def _document(
    film: FilmReport, shots: tuple[ShotReport, ...], wish: Wish, wished: list[Memory] | None, screen: Screen
) -> None:
    from onestory_cli.report.document import memory_document, shot_document

    rows = [shot_document(shot) for shot in shots]
    for row, memory in zip(rows, wished or (), strict=False):
        row["what_if"] = memory_document(memory)
    screen.document(
        "inspect-memory",
        run=str(film.run),
        title=film.title,
        model=asdict(film.state.model),
        missing=list(film.missing),
        what_if=asdict(wish) if wish else None,
        shots=rows,
    )
