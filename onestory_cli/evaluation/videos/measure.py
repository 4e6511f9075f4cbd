"""Measure a film clip by clip, and as a whole.

Within a shot: caption alignment, consistency of the whole frame and of its background, and motion. Over shots: the
similarity of a character's crops in all shots that name it, and of the backgrounds of all shots that name a setting
(OneStory 5.1).
Shape letters: P frames, D width of an embedding, H W.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Protocol

import numpy as np
from torch import Tensor

from onestory_cli.evaluation.videos.alignment import Aligner
from onestory_cli.evaluation.videos.films import Clip, MeasuredFilm
from onestory_cli.evaluation.videos.frames import spread
from onestory_cli.evaluation.videos.likeness import Embedder, consistency, cosine, mean_direction, pairwise
from onestory_cli.evaluation.videos.motion import motion, moves
from onestory_cli.evaluation.videos.result import Entity, ShotMeasures
from onestory_cli.events import DataPrepared, Emit, ignore
from onestory_cli.media.clip_faults import places, sudden
from onestory_cli.media.colour import colour, colour_difference, drift
from onestory_cli.media.video import probe, read_clip
from onestory_cli.models.detection import Box, CharacterDetector, Found, paint_over
from onestory_cli.quality import CUT, FLASH
from onestory_cli.store.disk import digest

FRAMES = 8  # frames per clip that are embedded and searched for characters


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The findings of a reader about one clip: some fields of `ShotMeasures`, and embeddings.

    characters: embedding (D,) of each character that was searched for; None if it was not found
    ground: embedding of the background
    sought: whether the networks could find the background
    """

    alignment: float | None = None
    caption_read: bool | None = None
    subject: float | None = None
    background: float | None = None
    found: Mapping[str, int] = field(default_factory=dict)
    characters: Mapping[str, Tensor | None] = field(default_factory=dict)
    ground: Tensor | None = None
    sought: bool = False
    right: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


class ClipReader(Protocol):
    """Reads one clip."""

    def look(self, clip: Clip, film: MeasuredFilm, pixels_PHW3: np.ndarray) -> Sight: ...

    def provenance(self) -> Mapping[str, Mapping[str, str | None] | None]: ...


@dataclass(frozen=True, kw_only=True)
class VideoNetworks:
    """The network of each role. The measures of a missing network are left out."""

    embedder: Embedder | None = None
    detector: CharacterDetector | None = None
    aligner: Aligner | None = None

    def provenance(self) -> dict[str, dict[str, str | None] | None]:
        """The weights in use, by role."""
        named = {"embedder": self.embedder, "detector": self.detector, "aligner": self.aligner}
        return {role: eye.network.provenance() if eye else None for role, eye in named.items()}

    def look(self, clip: Clip, film: MeasuredFilm, pixels_PHW3: np.ndarray) -> Sight:
        """Read `FRAMES` frames of a clip; for the caption, read all frames."""
        frames = [pixels_PHW3[place] for place in spread(len(pixels_PHW3), FRAMES)]
        boxes = _find(clip, film, frames, self.detector)
        grounds = _grounds(frames, boxes, self)
        embedded = self.embedder(frames) if self.embedder else None
        ground_PD = self.embedder(grounds) if self.embedder and grounds else None
        aligner = self.aligner if clip.caption else None
        return Sight(
            alignment=aligner(pixels_PHW3, clip.caption) if aligner and clip.caption else None,
            caption_read=aligner.reads(clip.caption) if aligner and clip.caption else None,
            subject=None if embedded is None else consistency(embedded),
            background=None if ground_PD is None else consistency(ground_PD),
            found={name: sum(box is not None for box in row) for name, row in boxes.items()} if self.detector else {},
            characters=_directions(frames, boxes, self.embedder) if self.detector and self.embedder else {},
            ground=None if ground_PD is None else mean_direction(ground_PD),
            sought=self.embedder is not None and (self.detector is not None or not boxes),
        )


@dataclass(frozen=True, kw_only=True)
class SeenClip:
    """The measures of one clip, the findings behind them, and its mean colour."""

    measures: ShotMeasures
    sight: Sight
    colour: np.ndarray


def measure_clips(film: MeasuredFilm, reader: ClipReader, emit: Emit = ignore) -> list[SeenClip]:
    """Measure every clip of a film.

    Raises:
        OnestoryError: M508 for a clip that is not a readable video.
    """
    seen = []
    for done, clip in enumerate(film.clips, start=1):
        seen.append(_look(clip, film, reader))
        emit(DataPrepared(what="clips", done=done, total=len(film.clips)))
    return _with_identity(seen)


def characters(film: MeasuredFilm, seen: Sequence[SeenClip]) -> tuple[Entity, ...]:
    """Consistency of every named character, over the shots in which it was found."""
    entities = []
    for name in film.looks:
        sights = [item.sight.characters for clip, item in _named(film, seen) if name in clip.characters]
        looked = any(name in directions for directions in sights)
        entities.append(_entity(name, [directions.get(name) for directions in sights], looked=looked))
    return tuple(entities)


def settings(film: MeasuredFilm, seen: Sequence[SeenClip]) -> tuple[Entity, ...]:
    """Consistency and colour drift of every named setting, over the shots that name it."""
    entities = []
    for name in dict.fromkeys(name for clip in film.clips for name in clip.settings):
        first, *later = [item for clip, item in _named(film, seen) if name in clip.settings]
        drifts = [colour_difference(first.colour, item.colour) for item in later]
        sights = [item.sight for item in (first, *later)]
        entity = _entity(name, [sight.ground for sight in sights], looked=any(sight.sought for sight in sights))
        entities.append(replace(entity, drift=fmean(drifts) if drifts else None))
    return tuple(entities)


def _named(film: MeasuredFilm, seen: Sequence[SeenClip]) -> Iterator[tuple[Clip, SeenClip]]:
    return zip(film.clips, seen, strict=True)


def _entity(name: str, directions_D: Sequence[Tensor | None], *, looked: bool) -> Entity:
    """`directions_D` has one entry per shot that names the entity; None if it was not found there."""
    found = [item for item in directions_D if item is not None]
    return Entity(id=name, shots=len(directions_D), found=len(found) if looked else None, likeness=pairwise(found))


def _with_identity(seen: Sequence[SeenClip]) -> list[SeenClip]:
    """Add the similarity of each character in every shot to the first shot in which it was found."""
    first: dict[str, Tensor] = {}
    measured = []
    for item in seen:
        identity = {
            name: None if direction_D is None else cosine(first.setdefault(name, direction_D), direction_D)
            for name, direction_D in item.sight.characters.items()
        }
        measured.append(replace(item, measures=replace(item.measures, identity=identity)))
    return measured


def _look(clip: Clip, film: MeasuredFilm, reader: ClipReader) -> SeenClip:
    pixels_PHW3, fps = read_clip(clip.path), probe(clip.path).fps
    sight = reader.look(clip, film, pixels_PHW3)
    way, (cuts, flashes) = motion(pixels_PHW3, fps), sudden(pixels_PHW3)
    return SeenClip(
        measures=ShotMeasures(
            shot=clip.shot,
            clip=digest(clip.path).sha256,
            frames=len(pixels_PHW3),
            alignment=sight.alignment,
            caption_read=sight.caption_read,
            subject=sight.subject,
            background=sight.background,
            motion=float(way.mean()) if len(way) else None,
            dynamic=moves(way, fps),
            drift=drift(pixels_PHW3),
            cuts=places(cuts, CUT),
            flashes=places(flashes, FLASH),
            found=sight.found,
            right=sight.right,
        ),
        sight=sight,
        colour=colour(pixels_PHW3),
    )


def _find(
    clip: Clip, film: MeasuredFilm, frames: Sequence[np.ndarray], detector: CharacterDetector | None
) -> dict[str, Found]:
    """The boxes of every character that the caption names, one per frame."""
    if detector is None:
        return {name: [None] * len(frames) for name in clip.characters}
    looks = [film.looks[name] for name in clip.characters]
    return dict(zip(clip.characters, detector.find(frames, looks) if looks else [], strict=True))


def _grounds(frames: Sequence[np.ndarray], boxes: Mapping[str, Found], networks: VideoNetworks) -> list[np.ndarray]:
    """Frames in which all characters were found, with the characters painted over; empty without a detector."""
    rows = [[row[index] for row in boxes.values()] for index in range(len(frames))]
    whole = zip(frames, rows, strict=True) if networks.detector or not boxes else ()
    return [paint_over(frame, _all(row)) for frame, row in whole if None not in row]


def _all(row: Sequence[Box | None]) -> list[Box]:
    return [box for box in row if box]


def _directions(
    frames: Sequence[np.ndarray], boxes: Mapping[str, Found], embedder: Embedder
) -> dict[str, Tensor | None]:
    """The embedding of each character, or None if it was not found in any frame."""
    crops = {
        name: [box.crop(frame) for frame, box in zip(frames, row, strict=True) if box] for name, row in boxes.items()
    }
    return {name: mean_direction(embedder(items)) if items else None for name, items in crops.items()}
