"""Drawing quality and diversity: what the answers of the read-out do not measure.

Shape letters: R read frames, N frames of many clips, D width of the features, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SHARPNESS, FIRST_SHARPNESS, FIRST_LIKENESS = "sharpness", "first frame: sharpness", "first frame: like the rest"
EYES = "eyes, wide and medium shots"
DRAWN = (SHARPNESS, FIRST_SHARPNESS, FIRST_LIKENESS, EYES)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Drawing features of the read frames of one clip.

    energy_R: gradient energy
    features_RD: the read-out's features, pooled over each frame
    eyes_R: the number of eyes, or None if they were not counted
    """

    energy_R: Floats
    features_RD: Floats
    eyes_R: Floats | None = None


def gradient_energy(pixels_RHWC: NDArray[np.uint8]) -> Floats:
    """Mean squared difference of neighbouring pixels in each frame, with colours from 0 to 1."""
    values = pixels_RHWC.astype(np.float32) / 255
    rows, columns = (np.square(np.diff(values, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))
    return rows + columns


def drawn_at(generated: Drawing, true: Drawing, framing: str = "") -> Iterator[tuple[str, float]]:
    """Rows of one shot: its sharpness and eyes relative to the true frames, and its first frame relative to the rest.

    Close-ups have no row for eyes: their eyes are large, and easy to draw.
    """
    yield SHARPNESS, float(generated.energy_R.sum() / true.energy_R.sum())
    yield FIRST_SHARPNESS, float(generated.energy_R[0] / true.energy_R[0])
    if len(generated.features_RD) > 1:
        first, rest = generated.features_RD[0], generated.features_RD[1:].mean(0)
        yield FIRST_LIKENESS, _cosine(first, rest)
    if true.eyes_R is not None and generated.eyes_R is not None and true.eyes_R.any() and framing != "close-up":
        yield EYES, float(np.minimum(generated.eyes_R, true.eyes_R).sum() / true.eyes_R.sum())


def frechet_distance(generated: Sequence[Drawing], true: Sequence[Drawing]) -> float:
    """Frechet distance between normal distributions fitted to the features of all frames (Heusel et al. 2017)."""
    sets = [np.concatenate([item.features_RD for item in items]).astype(np.float64) for items in (generated, true)]
    (mean_1, covariance_1), (mean_2, covariance_2) = ((item.mean(0), np.cov(item, rowvar=False)) for item in sets)
    root = _square_root(covariance_1)
    # both factors are symmetric, so the root of the product and the root of this symmetric matrix have equal traces
    cross = np.linalg.eigvalsh(root @ covariance_2 @ root).clip(0)
    trace = np.trace(covariance_1) + np.trace(covariance_2) - 2 * np.sqrt(cross).sum()
    return float(np.square(mean_1 - mean_2).sum() + trace)


def diversity(seeds: Sequence[Sequence[Sequence[Drawing]]]) -> float | None:
    """How far apart the same shots of different noise seeds are; `seeds` holds films, and films hold shots.

    1 - cosine of the mean features of two clips, averaged over shots and pairs of seeds; None for a single seed.
    """
    distances = [
        1 - _cosine(one.features_RD.mean(0), other.features_RD.mean(0))
        for first, second in combinations(seeds, 2)
        for film, other_film in zip(first, second, strict=True)
        for one, other in zip(film, other_film, strict=True)
    ]
    return float(np.mean(distances)) if distances else None


def _cosine(one_D: Floats, other_D: Floats) -> float:
    return float(one_D @ other_D / (np.linalg.norm(one_D) * np.linalg.norm(other_D)))


def _square_root(covariance_DD: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance_DD)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
