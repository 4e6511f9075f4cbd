"""`SET/report.html`: counts, the first sequences as strips with both captions, and rejects with their reasons.

The page needs nothing else: pictures are in it as JPEG. It shows at most `MAX_SHOWN` videos, so its size is bounded.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from onestory_cli.curation.cuts import FoundShots
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.shot_frames import shot_frames
from onestory_cli.curation.stage_store import StageStore, stage_key
from onestory_cli.curation.video_stages import CuratedVideo
from onestory_cli.errors import OnestoryError
from onestory_cli.report.html import template_environment
from onestory_cli.utils.atomic import write_atomic
from onestory_cli.version import __version__

FILE = "report.html"
MAX_SHOWN = 100  # videos
HEIGHT = 96  # pixels of a picture


@dataclass(frozen=True, kw_only=True)
class CastMark:
    """A character on the page; `hue` (degrees) is the same wherever it appears in a video."""

    id: str
    label: str
    hue: int


@dataclass(frozen=True, kw_only=True)
class ShotCard:
    """A shot on the page; `picture` is a data URL, "" for none."""

    shot: CuratedShot
    picture: str
    cast: tuple[CastMark, ...]


@dataclass(frozen=True, kw_only=True)
class VideoCard:
    """A video on the page."""

    name: str
    fault: str
    sequences: tuple[tuple[ShotCard, ...], ...]
    rejected: tuple[ShotCard, ...]


class ReportPage:
    """Collects the first videos; `finish` writes the page. Pictures have their own stage."""

    def __init__(self, folder: Path, pictures: StageStore) -> None:
        self._path, self._pictures = folder / FILE, pictures
        self._cards: list[VideoCard] = []

    def add(self, video: CuratedVideo) -> None:
        """Take a video; one of the first gets a card with pictures."""
        if len(self._cards) >= MAX_SHOWN:
            return
        cards = {shot.id: self._card(video, shot) for shot in video.shots}
        self._cards.append(
            VideoCard(
                name=video.path.name,
                fault=video.fault,
                sequences=tuple(tuple(cards[shot.id] for shot in run) for run in video.sequences),
                rejected=tuple(cards[shot.id] for shot in video.shots if shot.rejected),
            )
        )

    def _card(self, video: CuratedVideo, shot: CuratedShot) -> ShotCard:
        key = stage_key(video.digest, shot.start, shot.end, HEIGHT)
        picture = self._pictures.get(key)
        if picture is None:
            picture = _picture(video.path, video.found, shot)
            self._pictures.put(key, picture)
        marks = zip(shot.ids.characters, shot.cast, strict=False)
        return ShotCard(
            shot=shot,
            picture=picture,
            cast=tuple(CastMark(id=id, label=item.label, hue=_hue(id)) for id, item in marks),
        )

    def finish(self, summary: Mapping[str, Any], recipe: CurateRecipe) -> None:
        """Write the page."""
        template = template_environment("onestory_cli.curation").get_template("report.html.j2")
        reasons = sorted(summary["reasons"].items(), key=lambda item: (-item[1], item[0]))
        page = template.render(
            summary=summary,
            reasons=reasons,
            cards=self._cards,
            recipe=asdict(recipe),
            shown=MAX_SHOWN,
            version=__version__,
        )
        write_atomic(self._path, page.encode())


def _hue(id: str) -> int:
    """A hue for c1, c2 ...; neighbours are far apart on the wheel (golden angle)."""
    return round(int(id[1:]) * 137.5) % 360


def _picture(video: Path, found: FoundShots, shot: CuratedShot) -> str:
    """The middle frame of a shot as a data URL; "" where it cannot be decoded."""
    if found.facts is None:
        return ""
    try:
        frames = shot_frames(video, found.facts, found.pts(shot.start), found.pts(shot.end), 1)
    except OnestoryError:
        return ""
    if not frames:
        return ""
    picture = Image.fromarray(frames[0])
    picture.thumbnail((HEIGHT * 3, HEIGHT))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
