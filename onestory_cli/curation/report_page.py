"""`SET/report.html`: counts, the first sequences as strips with both captions, and rejects with their reasons.

The page needs nothing else: pictures are in it as JPEG. It shows at most `MAX_SHOWN` videos, so its size is bounded.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from onestory_cli.curation.cuts import FoundShots
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.shot_frames import shot_frames
from onestory_cli.errors import OnestoryError
from onestory_cli.version import __version__

FILE = "report.html"
MAX_SHOWN = 100  # videos
HEIGHT = 96  # pixels of a picture


@dataclass(frozen=True, kw_only=True)
class ShotCard:
    """A shot on the page; `picture` is a data URL, "" for none."""

    shot: CuratedShot
    picture: str


@dataclass(frozen=True, kw_only=True)
class VideoCard:
    """A video on the page."""

    name: str
    fault: str
    sequences: tuple[tuple[ShotCard, ...], ...]
    rejected: tuple[ShotCard, ...]


class ReportPage:
    """Collects the first videos; `finish` writes the page."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._cards: list[VideoCard] = []

    def __enter__(self) -> ReportPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def add(
        self,
        video: Path,
        found: FoundShots,
        shots: Sequence[CuratedShot],
        sequences: Sequence[Sequence[CuratedShot]],
        fault: str,
    ) -> None:
        """Take a video; one of the first gets a card with pictures."""
        if len(self._cards) >= MAX_SHOWN:
            return
        pictures = {shot.id: _picture(video, found, shot) for shot in shots}
        self._cards.append(
            VideoCard(
                name=video.name,
                fault=fault,
                sequences=tuple(
                    tuple(ShotCard(shot=shot, picture=pictures[shot.id]) for shot in run) for run in sequences
                ),
                rejected=tuple(ShotCard(shot=shot, picture=pictures[shot.id]) for shot in shots if shot.rejected),
            )
        )

    def finish(self, summary: Mapping[str, Any], recipe: CurateRecipe) -> None:
        """Write the page."""
        environment = Environment(
            loader=PackageLoader("onestory_cli.curation", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = environment.get_template("report.html.j2")
        reasons = sorted(summary["reasons"].items(), key=lambda item: (-item[1], item[0]))
        page = template.render(
            summary=summary,
            reasons=reasons,
            cards=self._cards,
            recipe=asdict(recipe),
            shown=MAX_SHOWN,
            version=__version__,
        )
        draft = self._path.with_suffix(".draft")
        draft.write_text(page, encoding="utf-8")
        os.replace(draft, self._path)


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
