"""Render a run as one self-contained HTML page.

A Content Security Policy allows only its own style and script, by hash; Jinja escapes all texts of the story. Each
picture is embedded once and referenced.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from onestory_cli.quality import faults
from onestory_cli.report import curves, drawing
from onestory_cli.report.data import FilmReport, Frame, ShotMemory, ShotReport
from onestory_cli.report.lines import policy_of
from onestory_cli.report.pictures import ShotPictures, decode_shots, fitted, source_pictures
from onestory_cli.report.scores import Scores
from onestory_cli.version import __version__

HEATS = 9  # shades of heat in the style: 0..8
_POSTER, _THUMB = 320, 160  # maximum width in pixels
_TICKS = 12  # labelled shots of a curve; longer films label every second, third, ...
_TEMPLATES = "templates"


@dataclass(frozen=True, kw_only=True)
class CaptionPart:
    """A part of a caption; `mention` is set for text that an `$id` produced."""

    text: str
    mention: Any = None


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """An embedded picture: element id, data URL, size in pixels."""

    id: str
    address: str
    width: int
    height: int


class Gallery:
    """The pictures of a page, each once. Frames whose source is missing have none."""

    def __init__(self, film: FilmReport, looks: Mapping[str, ShotPictures]) -> None:
        self._frames: dict[str, np.ndarray] = {}  # by the digest of a source: (T, H, W, 3)
        self._drawn: dict[tuple[str, int], PagePicture] = {}
        for shot in film.shots:
            self._frames[shot.take.digest] = looks[shot.id].frames_THW3
            self._draw(shot.take.digest, self.poster_index(shot), _POSTER)
        sources = {source.digest: source for shot in film.shots for source in shot.memory.sources if source.taken}
        for digest, source in sources.items():
            if digest not in self._frames and source.file:
                self._frames[digest] = source_pictures(source)
        for shot in film.shots:
            for source in shot.memory.sources:
                for frame in source.taken:
                    self._draw(source.digest, frame.index, _THUMB)

    def __iter__(self) -> Iterator[PagePicture]:
        return iter(self._drawn.values())

    def poster_index(self, shot: ShotReport) -> int:
        """Index of the latent frame shown for a shot: the middle one."""
        return len(self._frames[shot.take.digest]) // 2

    def poster(self, shot: ShotReport) -> PagePicture:
        return self._drawn[shot.take.digest, self.poster_index(shot)]

    def of(self, memory: ShotMemory, frame: Frame) -> PagePicture | None:
        return self._drawn.get((memory.by_name[frame.source].digest, frame.index))

    def _draw(self, digest: str, index: int, width: int) -> None:
        if (digest, index) in self._drawn or digest not in self._frames:
            return
        pixels_HW3 = self._frames[digest][index]
        if pixels_HW3.shape[1] > width:
            pixels_HW3 = fitted(pixels_HW3, width)
        self._drawn[digest, index] = PagePicture(
            id=f"picture-{len(self._drawn)}",
            address=_webp(pixels_HW3),
            width=pixels_HW3.shape[1],
            height=pixels_HW3.shape[0],
        )


def render_page(film: FilmReport, *, link_from: Path | None = None, scores: Scores | None = None) -> str:
    """Render the page of a film. Clips are embedded, or linked relative to `link_from`, the folder of the page.

    With `scores` the page has curves of the identity of characters.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    looks = decode_shots(film)
    environment = Environment(
        loader=PackageLoader("onestory_cli.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "heat": heat_of, "change": _change}
    style, script = _asset("style.css"), _asset("page.js")
    gallery = Gallery(film, looks)
    template = environment.get_template("page.html.j2")
    return template.render(
        film=film,
        style=style,
        script=script,
        policy=_policy(style, script, linked=link_from is not None),
        gallery=gallery,
        clips={shot.id: _clip(shot, link_from) for shot in film.shots},
        words=words,
        policy_of=policy_of,
        faults=faults,
        draw=drawing,
        arcs=drawing.arcs(film),
        columns=_columns(film),
        curves=_curves(film, looks),
        curve_height=curves.HEIGHT,
        tick=-(-len(film.shots) // _TICKS) or 1,
        scores=scores,
        identity=_identity(film, looks, scores) if scores else {},
        pixelated=all(looks[shot.id].frames_THW3.shape[2] <= 128 for shot in film.shots),
        version=__version__,
        run=film.run.resolve().name,  # of ".", where the run is the current folder, too
        made=_made(film),
    )


def words(shot: ShotReport) -> Iterator[CaptionPart]:
    """Split a resolved caption at the texts that `$ids` produced."""
    position = 0
    for mention in shot.mentions:
        yield CaptionPart(text=shot.caption[position : mention.start])
        yield CaptionPart(text=shot.caption[mention.start : mention.end], mention=mention)
        position = mention.end
    yield CaptionPart(text=shot.caption[position:])


def heat_of(frame: Frame, memory: ShotMemory) -> int:
    """Score of a frame relative to all visible frames, as a shade 0..8."""
    scores = [item.score for item in memory.visible if item.score is not None]
    if frame.score is None or max(scores) == min(scores):
        return 0
    return round((HEATS - 1) * (frame.score - min(scores)) / (max(scores) - min(scores)))


def _made(film: FilmReport) -> datetime | None:
    """Creation time of the newest accepted take; None without takes."""
    made = [shot.take.record.created for shot in film.shots]
    return datetime.fromtimestamp(max(made), UTC) if made else None


def _columns(film: FilmReport) -> list[str]:
    """Columns of the memory matrix: reference pictures, shots, sources that no longer exist."""
    shots = [shot.id for shot in film.shots]
    seen = dict.fromkeys(source.name for shot in film.shots for source in shot.memory.sources)
    others = [name for name in seen if name not in shots]
    return [*(name for name in others if name.startswith("@")), *shots, *(n for n in others if not n.startswith("@"))]


def _curves(film: FilmReport, looks: Mapping[str, ShotPictures]) -> list[curves.Curve]:
    if not film.shots:
        return []
    seen, colours = [looks[shot.id].look for shot in film.shots], _colours(film, looks)
    measures = (
        ("light", "mean luma of every frame, 0 black to 1 white", [look.luma_P.tolist() for look in seen]),
        ("colour", "mean colourfulness, 0 grey to 1 pure colours", [look.colourfulness_P.tolist() for look in seen]),
    )
    return [curves.film_curve(name, about, film.shots, values, colours) for name, about, values in measures]


def _identity(film: FilmReport, looks: Mapping[str, ShotPictures], scores: Scores) -> dict[str, curves.Curve | None]:
    """A curve per character of the scores."""
    colours, about = _colours(film, looks), "similarity to its first shot, 1 is identical"
    return {
        name: curves.identity_curve(name, about, film.shots, values, colours)
        for name, values in scores.identity.items()
    }


def _colours(film: FilmReport, looks: Mapping[str, ShotPictures]) -> list[str]:
    """The mean colour of each shot, as #rrggbb."""
    return ["#{:02x}{:02x}{:02x}".format(*looks[shot.id].look.colour) for shot in film.shots]


def _clip(shot: ShotReport, link_from: Path | None) -> str:
    if link_from is None:
        return "data:video/mp4;base64," + base64.b64encode(shot.take.clip.read_bytes()).decode()
    return quote(Path(os.path.relpath(shot.take.clip.absolute(), link_from.absolute())).as_posix())


def _webp(pixels_HW3: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels_HW3).save(stream, format="WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _policy(style: str, script: str, *, linked: bool) -> str:
    """The Content Security Policy: only content of the page itself, plus clip files if linked."""
    media = "'self' file:" if linked else "data:"
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",
            f"media-src {media}",
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


def _change(value: float) -> str:
    """Format a difference: "+0.12", "−0.03", "0.00"."""
    text = f"{value:+.2f}".replace("-", "−")
    return text if text[1:] != "0.00" else "0.00"
