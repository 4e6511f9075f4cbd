"""Render a run as one self-contained HTML page, or as the page of `onestory review`.

A Content Security Policy allows only its own style and script, by hash; Jinja escapes all texts of the story. Each
picture is embedded once and referenced. The size of the page is linear in the number of shots.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic
from onestory_cli.report import curves, drawing
from onestory_cli.report.data import FilmReport
from onestory_cli.report.gallery import Gallery, PictureCache
from onestory_cli.report.html import render_part, render_whole
from onestory_cli.report.page_source import PageSource, media_source, video_address
from onestory_cli.report.page_views import chapters, made_on, memory_columns, take_views
from onestory_cli.report.scores import Scores
from onestory_cli.store.notes import read_notes

MAX_COLUMNS = 20  # of the memory table; the memory of a longer film is a drawing
_TICKS = 12  # labelled shots of a curve; longer films label every second, third, ...


def render_page(film: FilmReport, *, link_from: Path | None = None, scores: Scores | None = None) -> str:
    """Render the page of a film. Videos are embedded, or linked relative to `link_from`, the folder of the page.

    With `scores` the page has curves of the identity of characters.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    address = video_address(link_from)
    source = PageSource(
        clip=lambda take: address(take.clip),
        film=address(film.joined) if film.joined else "",
        media=media_source(link_from),
        notes=read_notes(film.run),
    )
    return film_page(film, source, scores=scores)


def film_page(
    film: FilmReport, source: PageSource, *, scores: Scores | None = None, pictures: PictureCache | None = None
) -> str:
    """Render the page of a film with its videos from `source`. `pictures` saves decoding on the next call.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    gallery = Gallery(film, pictures)
    columns = memory_columns(film)
    return render_whole(
        "page.html.j2",
        scripts=("page.js", *(["review.js"] if source.review else [])),
        media=source.media,
        connect="'self'" if source.review else "",
        **_card_context(film, source, gallery),
        arcs=drawing.arcs(film),
        columns=columns,
        column_of={name: place for place, name in enumerate(columns)},
        max_columns=MAX_COLUMNS,
        curves=_curves(film, gallery),
        curve_height=curves.HEIGHT,
        tick=-(-len(film.shots) // _TICKS) or 1,
        chapters=chapters(film),
        scores=scores,
        identity=_identity(film, gallery, scores) if scores else {},
        run=film.run.resolve().name,  # of ".", where the run is the current folder, too
        made=made_on(film),
    )


def shot_card(film: FilmReport, id: str, source: PageSource, pictures: PictureCache) -> str:
    """Render the card of one shot with the pictures that it uses, to replace it in an open page.

    Raises:
        OnestoryError: S230 for an unknown shot, M508 for an unreadable clip.
    """
    return render_part("card.html.j2", **_card_context(film, source, Gallery(film, pictures)), shot=film.shot(id))


def problem_page(findings: Sequence[Diagnostic]) -> str:
    """A page of the errors of a story that was never rendered. It reloads every two seconds."""
    return render_whole("problem.html.j2", findings=findings)


def _card_context(film: FilmReport, source: PageSource, gallery: Gallery) -> dict[str, Any]:
    return {
        "film": film,
        "gallery": gallery,
        "review": source.review,
        "film_address": source.film,
        "clip": lambda shot: source.clip(shot.take),
        "takes": lambda shot: [*take_views(shot, source)],
        "pixelated": all(int(shot.take.record.spec["width"] or 0) < 128 for shot in film.shots),
    }


def _curves(film: FilmReport, gallery: Gallery) -> list[curves.Curve]:
    if not film.shots:
        return []
    seen, colours = [gallery.colours(shot.take) for shot in film.shots], _colours(film, gallery)
    measures = (
        ("light", "mean luma of every frame, 0 black to 1 white", [look.luma_P.tolist() for look in seen]),
        ("colour", "mean colourfulness, 0 grey to 1 pure colours", [look.colourfulness_P.tolist() for look in seen]),
    )
    return [curves.film_curve(name, about, film.shots, values, colours) for name, about, values in measures]


def _identity(film: FilmReport, gallery: Gallery, scores: Scores) -> dict[str, curves.Curve | None]:
    """A curve per character of the scores."""
    colours, about = _colours(film, gallery), "similarity to its first shot, 1 is identical"
    return {
        name: curves.identity_curve(name, about, film.shots, values, colours)
        for name, values in scores.identity.items()
    }


def _colours(film: FilmReport, gallery: Gallery) -> list[str]:
    """The mean colour of each shot, as #rrggbb."""
    return ["#{:02x}{:02x}{:02x}".format(*gallery.colours(shot.take).colour) for shot in film.shots]
