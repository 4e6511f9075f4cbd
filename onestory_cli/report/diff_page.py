"""The page of two runs: what differs in each shot, with clips, captions and remembered frames side by side."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.report.data import FilmReport, ShotReport
from onestory_cli.report.gallery import Gallery, PagePicture
from onestory_cli.report.html import render_whole
from onestory_cli.report.page_source import media_source, video_address
from onestory_cli.report.run_diff import ShotComparison, compare_runs

Piece = tuple[str, str]  # a tag ("" for none, "del" or "ins") and a text


@dataclass(frozen=True, kw_only=True)
class ComparedSide:
    """One side of a shot. `shot` is None if its run has no such shot. `remembers` are names and pictures of frames."""

    shot: ShotReport | None
    video: str = ""
    poster: PagePicture | None = None
    caption: tuple[Piece, ...] = ()
    remembers: tuple[tuple[str, PagePicture | None], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """A shot that differs, and its two sides."""

    comparison: ShotComparison
    sides: tuple[ComparedSide, ComparedSide]


def diff_page(left: FilmReport, right: FilmReport, *, link_from: Path | None = None) -> str:
    """Render the page. Videos are embedded, or linked relative to `link_from`, the folder of the page.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    films, galleries = (left, right), (Gallery(left), Gallery(right))
    compared, address = compare_runs(left, right), video_address(link_from)
    differing = [item for item in compared if item.state != "same"]
    pairs = [_pair(item, films, galleries, address) for item in differing]
    thumbs = [picture for pair in pairs for side in pair.sides for _, picture in side.remembers if picture]
    return render_whole(
        "diff.html.j2",
        styles=("style.css", "grid.css"),
        scripts=("grid.js",),
        media=media_source(link_from),
        films=films,
        names=[film.run.resolve().name for film in films],
        pairs=pairs,
        same=[item.shot for item in compared if item.state == "same"],
        thumbs={picture.id: picture for picture in thumbs}.values(),
    )


def _pair(
    item: ShotComparison,
    films: tuple[FilmReport, FilmReport],
    galleries: tuple[Gallery, Gallery],
    address: Callable[[Path], str],
) -> ComparedPair:
    shots = [next((shot for shot in film.shots if shot.id == item.shot), None) for film in films]
    captions = word_diff(*(shot.caption if shot else "" for shot in shots))
    sides = [
        _side(shot, gallery, caption, address)
        for shot, gallery, caption in zip(shots, galleries, captions, strict=True)
    ]
    return ComparedPair(comparison=item, sides=(sides[0], sides[1]))


def _side(
    shot: ShotReport | None, gallery: Gallery, caption: tuple[Piece, ...], address: Callable[[Path], str]
) -> ComparedSide:
    if shot is None:
        return ComparedSide(shot=None)
    return ComparedSide(
        shot=shot,
        video=address(shot.take.clip),
        poster=gallery.poster(shot.take),
        caption=caption,
        remembers=tuple((str(frame), gallery.of(shot.memory, frame)) for frame in shot.memory.taken),
    )


def word_diff(left: str, right: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts in pieces. Words that only one of them has are tagged: "del" on the left, "ins" on the right."""
    words = [re.findall(r"\S+\s*", text) for text in (left, right)]
    stripped = [[word.strip() for word in text] for text in words]
    matches = difflib.SequenceMatcher(None, stripped[0], stripped[1], autojunk=False).get_opcodes()

    def pieces(side: int, tag: str) -> Iterator[Piece]:
        for kind, *ends in matches:
            text = "".join(words[side][ends[2 * side] : ends[2 * side + 1]])
            if text:
                end = len(text) if kind == "equal" else len(text.rstrip())
                yield "" if kind == "equal" else tag, text[:end]
                if text[end:]:
                    yield "", text[end:]

    return tuple(pieces(0, "del")), tuple(pieces(1, "ins"))
