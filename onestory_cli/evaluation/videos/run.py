"""Measure a film: from a folder to a result with its provenance."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping

import av
import torch
import transformers

from onestory_cli.evaluation.videos.alignment import load_aligner
from onestory_cli.evaluation.videos.films import MeasuredFilm
from onestory_cli.evaluation.videos.likeness import load_embedder
from onestory_cli.evaluation.videos.measure import (
    FRAMES,
    ClipReader,
    VideoNetworks,
    characters,
    measure_clips,
    settings,
)
from onestory_cli.evaluation.videos.result import VideoResult
from onestory_cli.events import Emit, ignore
from onestory_cli.models.detection import load_detector
from onestory_cli.models.load import pick_device
from onestory_cli.models.networks import Role
from onestory_cli.version import __version__


def load_networks(
    sources: Mapping[Role, str | None], device: str = "auto", *, threshold: float | None = None
) -> VideoNetworks:
    """Load the network of each role; roles without a source are left out.

    Raises:
        OnestoryError: M531 and M532 for missing or unusable weights, M504 for a missing device.
    """
    target = pick_device(device)
    embedder, detector, aligner = sources["embedder"], sources["detector"], sources["aligner"]
    return VideoNetworks(
        embedder=load_embedder(embedder, target) if embedder else None,
        detector=load_detector(detector, target, threshold=threshold) if detector else None,
        aligner=load_aligner(aligner, target) if aligner else None,
    )


def measure_film(film: MeasuredFilm, reader: ClipReader, *, emit: Emit = ignore) -> VideoResult:
    """Measure every clip of a film and combine the measures.

    Raises:
        OnestoryError: M508 for a clip that is not a readable video.
    """
    started = time.monotonic()
    seen = measure_clips(film, reader, emit)
    return VideoResult(
        film=film.name,
        missing=film.missing,
        shots=tuple(item.measures for item in seen),
        characters=characters(film, seen),
        settings=settings(film, seen),
        seconds=round(time.monotonic() - started, 1),
        provenance={
            "onestory": __version__,
            "networks": reader.provenance(),
            "frames_per_shot": FRAMES,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "av": av.__version__,
            "python": platform.python_version(),
        },
    )
