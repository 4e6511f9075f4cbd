"""`onestory inspect-memory`: which frames each shot remembered, their relevance and their cost in tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import run_shots
from onestory_cli.commands._files import PAGE, require_writable
from onestory_cli.commands._options import Json, RunArgument, gather, not_nan, option
from onestory_cli.commands._report_page import Replace, ScoresFile, read_scores_file, write_page
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode, did_you_mean
from onestory_cli.memory.policies import POLICIES
from onestory_cli.store.locate import find_run

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport, ShotMemory, ShotReport
    from onestory_cli.report.what_if import WhatIfSettings

OneShot = Annotated[
    str | None, option("--shot", metavar="SHOT", help="Only this shot, frame by frame.", autocompletion=run_shots)
]
OtherPolicy = Annotated[
    str | None,
    option(
        "--policy",
        metavar="NAME",
        help=f"Select with another policy: {', '.join(POLICIES)}.",
        autocompletion=lambda: [*POLICIES],
    ),
]
PageFile = Annotated[Path | None, option("--html", metavar="FILE", help="Write a page instead, like `report`.")]


@dataclass(frozen=True, kw_only=True)
class WishFlags:
    """Settings to select with instead of those of each shot."""

    policy: OtherPolicy = None
    frames: Annotated[int | None, option("--frames", metavar="K", min=0, max=1000, help="Select at most K frames.")] = (
        None
    )
    budget: Annotated[
        float | None,
        option(
            "--budget",
            metavar="B",
            min=0,
            max=1000,
            callback=not_nan,
            help="Select with a budget of B latent frames.",
        ),
    ] = None

    def wish(self) -> WhatIfSettings:
        """The settings to try.

        Raises:
            typer.BadParameter: an unknown policy.
        """
        from onestory_cli.report.what_if import WhatIfSettings

        if self.policy is not None and self.policy not in POLICIES:
            hint = did_you_mean(self.policy, POLICIES) or f"use one of {', '.join(POLICIES)}"
            raise typer.BadParameter(f'unknown policy "{self.policy}"; {hint}', param_hint="--policy")
        return WhatIfSettings(policy=self.policy, frames=self.frames, budget=self.budget)


@gather
def command(
    context: typer.Context,
    *,
    folder: RunArgument = None,
    shot: OneShot = None,
    asked: WishFlags,
    html: PageFile = None,
    scores: ScoresFile = None,
    force: Replace = False,
    json: Json = False,
) -> ExitCode:
    """Show which frames each shot remembered, their relevance and their cost in tokens."""
    from onestory_cli.report.data import read_film

    wish = asked.wish()
    _refuse_conflicts(html, scores, shot, wish)
    if html:
        require_writable(html, PAGE, force=force)
    film, screen = read_film(find_run(folder)), screen_of(context)
    shots = film.shots if shot is None else (film.shot(shot),)
    if html:
        write_page(film, html, screen, scores=read_scores_file(scores, film), json=json)
    elif json:
        _document(film, shots, wish, screen)
    else:
        _show(film, shots, wish, screen, in_detail=shot is not None)
    return ExitCode.DONE


def _refuse_conflicts(html: Path | None, scores: Path | None, shot: str | None, wish: WhatIfSettings) -> None:
    """Refuse options without effect on the chosen output.

    Raises:
        typer.BadParameter: names one of them.
    """
    if scores and not html:
        raise typer.BadParameter("--scores applies to the page: add --html FILE")
    given = [name for name, value in {"shot": shot, **asdict(wish)}.items() if value is not None]
    if html and given:
        raise typer.BadParameter(
            f"--{given[0]} has no effect on the page of --html, which shows every shot as it was rendered"
        )


def _select_again(film: FilmReport, shots: tuple[ShotReport, ...], wish: WhatIfSettings) -> list[ShotMemory]:
    """The memory of each shot with the wished settings; empty without wishes."""
    from onestory_cli.report.what_if import select_again
    from onestory_cli.store.inputs import model_of_run

    if not wish:
        return []
    levels = model_of_run(film.state.model).levels
    return [select_again(shot, wish, levels) for shot in shots]


def _show(
    film: FilmReport, shots: tuple[ShotReport, ...], wish: WhatIfSettings, screen: Screen, *, in_detail: bool
) -> None:
    """Print a row per shot, or one shot frame by frame."""
    wished = _select_again(film, shots, wish)
    if in_detail:
        _detail(film, shots[0], wished[0] if wished else None, screen)
    else:
        _overview(film, wished, screen)
    if wish:
        screen.note(f"selected with {wish} from the recorded scores; nothing was rendered")


def _overview(film: FilmReport, wished: list[ShotMemory], screen: Screen) -> None:
    from onestory_cli.report.lines import overview

    screen.styled(overview(film, wished or [shot.memory for shot in film.shots], width=screen.width))


def _detail(film: FilmReport, shot: ShotReport, wished: ShotMemory | None, screen: Screen) -> None:
    from onestory_cli.report.lines import change_line, detail
    from onestory_cli.report.what_if import SelectionChange

    screen.styled(detail(shot, shot.memory, wished, shots=len(film.story.shots)))
    if wished:
        change = change_line(SelectionChange.between(shot.memory, wished), shot.memory, wished)
        screen.styled([(), [(f"With these settings {shot.id} {change}.", "bold")]])
    if screen.shows_pictures and shot.memory.sources:
        _thumbnails(wished or shot.memory, screen)


def _thumbnails(memory: ShotMemory, screen: Screen) -> None:
    from onestory_cli.report.thumbnails import thumbnail_lines

    screen.styled(thumbnail_lines(memory, width=screen.width))


def _document(film: FilmReport, shots: tuple[ShotReport, ...], wish: WhatIfSettings, screen: Screen) -> None:
    from onestory_cli.report.document import memory_document, shot_document

    rows = [shot_document(shot) for shot in shots]
    for row, memory in zip(rows, _select_again(film, shots, wish), strict=False):
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
