"""Who and what place is in each shot of a video: appearances -> ids that hold for the whole video. No torch here.

Shape letters: N appearances, E width of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.embeddings import unpack

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class CastAppearance:
    """A character as one shot shows it: the detector's label and a packed unit vector."""

    label: str
    vector: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ShotCast:
    """What the stage `cast` stores for a shot; `place` is the packed unit vector of its background."""

    characters: tuple[CastAppearance, ...]
    place: str = field(repr=False)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> ShotCast:
        return cls(characters=tuple(CastAppearance(**item) for item in tree["characters"]), place=tree["place"])


@dataclass(frozen=True, kw_only=True)
class CastIds:
    """The ids of a shot's characters, in the order of its appearances, and of its setting; "" for unknown."""

    characters: tuple[str, ...] = ()
    setting: str = ""


def cast_ids(shots: Sequence[ShotCast], same_character: float, same_setting: float) -> list[CastIds]:
    """Return the ids of each shot of one video: c1, c2 ... and s1, s2 ... in order of first appearance.

    Two appearances in one shot are never the same character, nor are two with different labels.
    """
    found = [(number, item) for number, shot in enumerate(shots) for item in shot.characters]
    vectors = _stack([item.vector for _, item in found])
    apart = [number for number, _ in found]
    characters = _named(cluster(vectors, same_character, apart=apart, labels=[item.label for _, item in found]), "c")
    settings = _named(cluster(_stack([shot.place for shot in shots]), same_setting), "s")
    names = iter(characters)
    return [
        CastIds(characters=tuple(next(names) for _ in shot.characters), setting=setting)
        for shot, setting in zip(shots, settings, strict=True)
    ]


def cluster(
    vectors_NE: Vectors, threshold: float, *, apart: Sequence[int] = (), labels: Sequence[str] = ()
) -> list[int]:
    """Return a cluster number per unit vector: average linkage, merged while the mean cosine reaches `threshold`.

    Vectors with the same number in `apart`, or with different `labels`, never share a cluster.
    """
    count = len(vectors_NE)
    if not count:
        return []
    cosines = vectors_NE @ vectors_NE.T
    if len(apart):
        cosines[np.equal.outer(np.array(apart), np.array(apart))] = -np.inf
    if len(labels):
        cosines[np.not_equal.outer(np.array(labels), np.array(labels))] = -np.inf
    np.fill_diagonal(cosines, -np.inf)
    numbers, sizes = np.arange(count), np.ones(count, np.float32)
    nearest = cosines.argmax(1)
    best = cosines[np.arange(count), nearest]
    while best[one := int(best.argmax())] >= threshold:
        other = int(nearest[one])
        _merge(cosines, sizes, one, other)
        numbers[numbers == other] = one
        stale = np.flatnonzero((nearest == one) | (nearest == other))
        for row in {*stale.tolist(), one, other}:  # a mean is at most the larger part, so other rows keep their nearest
            nearest[row] = cosines[row].argmax()
            best[row] = cosines[row, nearest[row]]
    return [int(number) for number in numbers]


def _merge(cosines_NN: Vectors, sizes_N: Vectors, one: int, other: int) -> None:
    """Join cluster `other` to `one`: mean cosines to all others, and no more to `other`."""
    row = (sizes_N[one] * cosines_NN[one] + sizes_N[other] * cosines_NN[other]) / (sizes_N[one] + sizes_N[other])
    row[[one, other]] = -np.inf
    cosines_NN[one], cosines_NN[:, one] = row, row
    cosines_NN[other], cosines_NN[:, other] = -np.inf, -np.inf
    sizes_N[one] += sizes_N[other]


def _named(numbers: Sequence[int], letter: str) -> list[str]:
    """Cluster numbers -> names, counted from 1 in order of first appearance."""
    names: dict[int, str] = {}
    return [names.setdefault(number, f"{letter}{len(names) + 1}") for number in numbers]


def _stack(packed: Sequence[str]) -> Vectors:
    return np.stack([unpack(text) for text in packed]) if packed else np.zeros((0, 0), np.float32)
