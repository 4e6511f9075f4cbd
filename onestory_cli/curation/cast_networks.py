"""Frames of a shot -> its characters and its background, by a detector and an embedder, or by the read-out.

Shape letters: P frames, E width of an embedding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.cast import CastAppearance, ShotCast, cluster
from onestory_cli.curation.embeddings import pack
from onestory_cli.curation.network_identity import network_identity, readout_identity
from onestory_cli.curation.recipe import CastSettings
from onestory_cli.models.networks import source_of

Pixels = NDArray[np.uint8]
MIN_AREA = 0.01  # of the picture: smaller boxes are extras or errors
MIN_FRAMES = 1 / 3  # of a shot's frames: a character in fewer is a detection error or passes by
ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")


class CastReader(Protocol):
    """Finds the characters and the background of a shot. `identity` changes whenever its answers may change."""

    @property
    def identity(self) -> str: ...

    @property
    def thresholds(self) -> tuple[float, float]:
        """The default cosines from which two characters, and two settings, are the same."""

    def read(self, frames: Sequence[Pixels]) -> dict[str, Any]:
        """Return a `ShotCast` as JSON values."""


@dataclass(frozen=True, kw_only=True)
class ReadoutCast:
    """Characters of the storyworld by the features of its read-out.

    The thresholds give the best pairwise F1 on the films of both worlds that `tests/benchmarks/curation.py` measures.
    """

    identity: str
    thresholds: tuple[float, float] = (0.72, 0.78)

    @cached_property
    def readout(self) -> Any:
        """The network; loaded when it is first needed, because a second run needs none."""
        from onestory_cli.evaluation.readout import load_readout

        return load_readout()

    def read(self, frames: Sequence[Pixels]) -> dict[str, Any]:
        (view,) = self.readout.view(np.stack(frames)[None])
        found = tuple(CastAppearance(label=name, vector=pack(vector)) for name, vector in view.characters.items())
        return asdict(ShotCast(characters=found, place=pack(view.place)))


@dataclass(frozen=True, kw_only=True)
class NetworkCast:
    """People and animals by D-FINE, compared by DINOv2. The thresholds are ours; no data set was used to fit them."""

    detector: Any
    embedder: Any
    identity: str
    thresholds: tuple[float, float] = (0.6, 0.6)
    min_area: float = MIN_AREA

    def read(self, frames: Sequence[Pixels]) -> dict[str, Any]:
        from onestory_cli.models.detection import paint_over

        boxes = [self.detector.boxes(frame, self.min_area, ("person", *ANIMALS)) for frame in frames]
        crops = [
            (number, label, box.crop(frame))
            for number, (frame, row) in enumerate(zip(frames, boxes, strict=True))
            for label, box in row
        ]
        vectors = self.embedder([crop for *_, crop in crops]).numpy() if crops else np.zeros((0, 1), np.float32)
        numbers, labels = [number for number, *_ in crops], [label for _, label, _ in crops]
        found = tuple(self._tracks(vectors, numbers, labels, len(frames)))
        painted = [paint_over(frame, [box for _, box in row]) for frame, row in zip(frames, boxes, strict=True)]
        return asdict(ShotCast(characters=found, place=pack(_direction(self.embedder(painted).numpy()))))

    def _tracks(
        self, vectors_NE: NDArray[np.float32], numbers: Sequence[int], labels: Sequence[str], frames: int
    ) -> list[CastAppearance]:
        """Crops of one shot -> one appearance per character that enough frames show."""
        members: dict[int, list[int]] = defaultdict(list)
        for index, track in enumerate(cluster(vectors_NE, self.thresholds[0], apart=numbers, labels=labels)):
            members[track].append(index)
        return [
            CastAppearance(label=labels[rows[0]], vector=pack(_direction(vectors_NE[rows])))
            for rows in members.values()
            if len(rows) >= MIN_FRAMES * frames
        ]


def load_cast_reader(settings: CastSettings, device: str) -> CastReader | None:
    """Return the reader that the settings name, None for "none".

    Raises:
        OnestoryError: T651 for a detector that boxes cannot be taken from, T631, M531 or M532 for a network that
            cannot be loaded.
    """
    if not settings.is_on:
        return None
    if settings.detector == "readout":
        return ReadoutCast(identity=readout_identity())
    import torch

    from onestory_cli.curation.boxes import load_box_detector
    from onestory_cli.evaluation.videos.likeness import load_embedder

    detector, embedder = source_of("detector", settings.detector), source_of("embedder", settings.embedder)
    assert detector is not None
    assert embedder is not None
    names = f"{network_identity(detector)} {network_identity(embedder)}"
    place = torch.device(device)
    return NetworkCast(
        detector=load_box_detector(detector, place), embedder=load_embedder(embedder, place), identity=names
    )


def _direction(vectors_PE: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = vectors_PE.mean(0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-8), np.float32)
