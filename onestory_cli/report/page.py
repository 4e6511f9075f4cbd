"""Render a run as one self-contained HTML page, or as the page of `onestory review`.

A Content Security Policy allows only its own style and script, by hash; Jinja escapes all texts of the story. Each
picture is embedded once and referenced. The size of the page is linear in the number of shots.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onestory_cli.errors import Diagnostic
from onestory_cli.quality import faults
from onestory_cli.report import curves, drawing
from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory, ShotReport
from onestory_cli.report.gallery import Gallery, PictureCache
from onestory_cli.report.lines import policy_of
from onestory_cli.report.scores import Scores
from onestory_cli.store.notes import TakeNote, read_notes
from onestory_cli.store.takes import Take
from onestory_cli.utils.text import format_frames, pluralize
from onestory_cli.version import __version__

HEATS = 9  # shades of heat in the style: 0..8
MAX_SOURCES = 6  # rows of visible frames in a card; the page would grow with the square of the film without a limit
MAX_COLUMNS = 20  # of the memory table; the memory of a longer film is a drawing
_TICKS = 12  # labelled shots of a curve; longer films label every second, third, ...
_TEMPLATES = "templates"


@dataclass(frozen=True, kw_only=True)
class CaptionPart:
    """A part of a caption; `mention` is set for text that an `$id` produced."""

    text: str
    mention: Any = None


@dataclass(frozen=True, kw_only=True)
class ReviewState:
    """What the page of `onestory review` shows beyond a report.

    `captions` are the captions of the story file by shot, empty if it cannot be edited. `fits` are the paths of takes
    that may be accepted. `stale` maps shots that the next render would change to the reason. `waiting` are shots with
    `accept: ask` that have no accepted take. `problems` says what is wrong with the story.
    """

    read_only: bool = False
    captions: Mapping[str, str] = field(default_factory=dict)
    fits: frozenset[str] = frozenset()
    stale: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PageSource:
    """Where a page finds its clips: `clip` gives the address of a take's clip, `film` is that of the joined film.

    `media` is the part of the Content Security Policy for videos. `notes` are by the path of their take.
    """

    clip: Callable[[Take], str]
    film: str
    media: str
    notes: Mapping[str, TakeNote] = field(default_factory=dict)
    review: ReviewState | None = None


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


def render_page(film: FilmReport, *, link_from: Path | None = None, scores: Scores | None = None) -> str:
    """Render the page of a film. Videos are embedded, or linked relative to `link_from`, the folder of the page.

    With `scores` the page has curves of the identity of characters.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """

    def address(file: Path) -> str:
        if link_from is None:
            return "data:video/mp4;base64," + base64.b64encode(file.read_bytes()).decode()
        return quote(Path(os.path.relpath(file.absolute(), link_from.absolute())).as_posix())

    source = PageSource(
        clip=lambda take: address(take.clip),
        film=address(film.joined) if film.joined else "",
        media="data:" if link_from is None else "'self' file:",
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
    columns = _columns(film)
    style, script = _asset("style.css"), _asset("page.js") + (_asset("review.js") if source.review else "")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            **_card_context(film, source, gallery),
            style=style,
            script=script,
            policy=_policy(style, script, source),
            arcs=drawing.arcs(film),
            columns=columns,
            column_of={name: place for place, name in enumerate(columns)},
            max_columns=MAX_COLUMNS,
            curves=_curves(film, gallery),
            curve_height=curves.HEIGHT,
            tick=-(-len(film.shots) // _TICKS) or 1,
            chapters=chapters(film),
            review_json=_review_json(source.review) if source.review else "",
            scores=scores,
            identity=_identity(film, gallery, scores) if scores else {},
            version=__version__,
            run=film.run.resolve().name,  # of ".", where the run is the current folder, too
            made=_made(film),
        )
    )


def shot_card(film: FilmReport, id: str, source: PageSource, pictures: PictureCache) -> str:
    """Render the card of one shot with the pictures that it uses, to replace it in an open page.

    Raises:
        OnestoryError: S230 for an unknown shot, M508 for an unreadable clip.
    """
    template = _environment().get_template("card.html.j2")
    return template.render(**_card_context(film, source, Gallery(film, pictures)), shot=film.shot(id))


def problem_page(findings: Sequence[Diagnostic]) -> str:
    """A page that says why there is no film yet, and looks again every two seconds."""
    template = _environment().get_template("problem.html.j2")
    return template.render(findings=findings, version=__version__)


def _card_context(film: FilmReport, source: PageSource, gallery: Gallery) -> dict[str, Any]:
    return {
        "film": film,
        "gallery": gallery,
        "review": source.review,
        "film_address": source.film,
        "clip": lambda shot: source.clip(shot.take),
        "takes": lambda shot: [*_take_views(shot, source)],
        "pixelated": all(int(shot.take.record.spec["width"] or 0) <= 128 for shot in film.shots),
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("onestory_cli.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "change": _change,
        "short": _short_seed,
        "plural": pluralize,
        "plural_frames": lambda frames: pluralize(len(frames), "frame"),
        "as_json": _as_json,
    }
    environment.globals |= {
        "words": words,
        "policy_of": policy_of,
        "faults": faults,
        "draw": drawing,
        "heats": heats,
        "listed": listed_sources,
    }
    return environment


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
    scores = [item.score for item in memory.visible if item.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)

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


def _take_views(shot: ShotReport, source: PageSource) -> Iterator[TakeView]:
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


def _made(film: FilmReport) -> datetime | None:
    """Creation time of the newest accepted take; None without takes."""
    made = [shot.take.record.created for shot in film.shots]
    return datetime.fromtimestamp(max(made), UTC) if made else None


def _columns(film: FilmReport) -> list[str]:
    """Columns of the memory matrix: reference pictures, shots, sources that no longer exist."""
    shots = [shot.id for shot in film.shots]
    seen = dict.fromkeys(source.name for shot in film.shots for source in shot.memory.sources)
    others = [name for name in seen if name not in set(shots)]
    return [*(name for name in others if name.startswith("@")), *shots, *(n for n in others if not n.startswith("@"))]


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


def _policy(style: str, script: str, source: PageSource) -> str:
    """The Content Security Policy: only content of the page itself, its videos, and its server if it has one."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",
            f"media-src {source.media}",
            *(["connect-src 'self'"] if source.review else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return files("onestory_cli.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def duration(seconds: float) -> str:
    """Format seconds: "2.1 s", "3:05", "1:00:00"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def _as_json(chapters: list[PageChapter]) -> Markup:
    return _script_json([asdict(chapter) for chapter in chapters])


def _review_json(review: ReviewState) -> Markup:
    return _script_json({"stale": dict(review.stale), "read_only": review.read_only, "problems": review.problems})


def _script_json(value: Any) -> Markup:
    """JSON for a script element, in which `<` could end the element."""
    return Markup(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))


def _short_seed(seed: object) -> str:
    """The first digits of a seed: "471938…"."""
    text = str(seed)
    return text if len(text) <= 6 else f"{text[:6]}…"


def _change(value: float) -> str:
    """Format a difference: "+0.12", "−0.03", "0.00"."""
    text = f"{value:+.2f}".replace("-", "−")
    return text if text[1:] != "0.00" else "0.00"
