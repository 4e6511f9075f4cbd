"""The values that the templates of a page show: captions in parts, takes, chapters, columns, formatted numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory, ShotReport
from onestory_cli.report.page_source import PageSource
from onestory_cli.store.notes import TakeNote
from onestory_cli.store.takes import Take
from onestory_cli.utils.text import format_frames

HEATS = 9  # shades of heat in the style: 0..8
MAX_SOURCES = 6  # rows of visible frames in a card; the page would grow with the square of the film without a limit


@dataclass(frozen=True, kw_only=True)
class CaptionPart:
    """A part of a caption; `mention` is set for text that an `$id` produced."""

    text: str
    mention: Any = None


@dataclass(frozen=True, kw_only=True)
class TakeView:
    """A take on the page. `old` takes were rendered from another version of the shot, or with another model.

    `video` is the address of its clip, "" for the take that the card shows, whose clip is in the page already.
    """

    take: Take
    accepted: bool
    old: bool
    remembers: str
    video: str
    note: TakeNote


@dataclass(frozen=True, kw_only=True)
class PageChapter:
    """A shot in the film, in seconds."""

    shot: str
    start: float
    seconds: float
    subtitle: str


def words(shot: ShotReport) -> Iterator[CaptionPart]:
    """Split a resolved caption at the texts that `$ids` produced."""
    position = 0
    for mention in shot.mentions:
        yield CaptionPart(text=shot.caption[position : mention.start])
        yield CaptionPart(text=shot.caption[mention.start : mention.end], mention=mention)
        position = mention.end
    yield CaptionPart(text=shot.caption[position:])


def listed_sources(memory: ShotMemory) -> tuple[MemorySource, ...]:
    """The sources that a card lists, in film order: those with selected frames, then the most relevant others."""
    others = [source for source in memory.sources if not source.taken]
    others.sort(key=lambda source: -max((frame.score or 0.0 for frame in source.frames), default=0.0))
    taken = [source.name for source in memory.sources if source.taken]
    names = {*taken, *(source.name for source in others[: max(0, MAX_SOURCES - len(taken))])}
    return tuple(source for source in memory.sources if source.name in names)


def heats(memory: ShotMemory) -> Callable[[Frame], int]:
    """A function that gives the score of a frame relative to all visible frames, as a shade 0..8."""
    low, high = memory.score_range

    def heat(frame: Frame) -> int:
        if frame.score is None or high == low:
            return 0
        return round((HEATS - 1) * (frame.score - low) / (high - low))

    return heat


def chapters(film: FilmReport) -> list[PageChapter]:
    """The shots of the film with their times."""
    starts = accumulate((shot.seconds for shot in film.shots), initial=0.0)
    return [
        PageChapter(shot=shot.id, start=round(start, 4), seconds=round(shot.seconds, 4), subtitle=shot.subtitle)
        for shot, start in zip(film.shots, starts, strict=False)
    ]


def take_views(shot: ShotReport, source: PageSource) -> Iterator[TakeView]:
    for take in shot.takes or (shot.take,):
        shown = take.path == shot.take.path
        review = source.review
        yield TakeView(
            take=take,
            accepted=shown and shot.accepted,
            old=take.path not in review.fits if review else _spec(take) != _spec(shot.take),
            remembers=format_frames((frame.source, frame.index) for frame in take.record.memory.selected),
            video="" if shown else source.clip(take),
            note=source.notes.get(take.path, TakeNote()),
        )


def _spec(take: Take) -> dict[str, object]:
    """What a take was rendered from, without its seed."""
    return {name: value for name, value in take.record.spec.items() if name != "seed"}


def made_on(film: FilmReport) -> datetime | None:
    """Creation time of the newest accepted take; None without takes."""
    made = [shot.take.record.created for shot in film.shots]
    return datetime.fromtimestamp(max(made), UTC) if made else None


def memory_columns(film: FilmReport) -> list[str]:
    """Columns of the memory matrix: reference pictures, shots, sources that no longer exist."""
    shots = [shot.id for shot in film.shots]
    seen = dict.fromkeys(source.name for shot in film.shots for source in shot.memory.sources)
    others = [name for name in seen if name not in set(shots)]
    return [*(name for name in others if name.startswith("@")), *shots, *(n for n in others if not n.startswith("@"))]


def duration(seconds: float) -> str:
    """Format seconds: "2.1 s", "3:05", "1:00:00"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def short_seed(seed: object) -> str:
    """The first digits of a seed: "471938…"."""
    text = str(seed)
    return text if len(text) <= 6 else f"{text[:6]}…"


def signed(value: float) -> str:
    """Format a difference: "+0.12", "−0.03", "0.00"."""
    text = f"{value:+.2f}".replace("-", "−")
    return text if text[1:] != "0.00" else "0.00"
