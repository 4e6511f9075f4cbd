"""Shares with 95 % intervals: stories are drawn again, since the shots of one story stand or fall together.

Shape letters: Z stories, R redraws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

REDRAWS = 2000
INTERVAL = (2.5, 97.5)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A share (or a difference of two) in percent with its 95 % interval, over `n` questions; None without any."""

    percent: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Per story, how many questions of one kind were asked and how many were answered right; both (Z,).

    An answer may be a number, as a cosine is; then `right_Z` is their sum, and the share is their mean.
    """

    asked_Z: Floats
    right_Z: Floats

    @property
    def n(self) -> int:
        return int(self.asked_Z.sum())

    def of(self, stories: Sequence[int]) -> Tally:
        """The same question in some of the stories."""
        return Tally(asked_Z=self.asked_Z[list(stories)], right_Z=self.right_Z[list(stories)])

    def document(self) -> dict[str, list[float]]:
        """As JSON; from it `read_tally` makes an equal one but for rounding."""
        return {"asked": self.asked_Z.astype(int).tolist(), "right": [round(item, 4) for item in self.right_Z.tolist()]}


def tally(answers: Sequence[Sequence[float]]) -> Tally:
    """From the answers of every story: 1 or True is right, parts count as parts."""
    return Tally(
        asked_Z=np.array([len(story) for story in answers], np.float64),
        right_Z=np.array([sum(story) for story in answers], np.float64),
    )


def read_tally(document: Mapping[str, Sequence[float]]) -> Tally:
    """What `Tally.document` wrote."""
    return Tally(asked_Z=np.array(document["asked"], np.float64), right_Z=np.array(document["right"], np.float64))


def share(item: Tally, *, seed: int = 0) -> Estimate:
    """The share of right answers; the interval is the bootstrap's percentiles over stories."""
    if item.n == 0:
        return Estimate(percent=None, low=None, high=None, n=0)
    return _estimate(
        _shares(item, np.ones((1, len(item.asked_Z)))), _shares(item, redraws(len(item.asked_Z), seed)), item.n
    )


def difference(first: Tally, second: Tally, *, seed: int = 0) -> Estimate:
    """First share minus second, paired: both are redrawn with the same stories."""
    if first.n == 0 or second.n == 0:
        return Estimate(percent=None, low=None, high=None, n=0)
    once, again = np.ones((1, len(first.asked_Z))), redraws(len(first.asked_Z), seed)
    return _estimate(
        _shares(first, once) - _shares(second, once),
        _shares(first, again) - _shares(second, again),
        min(first.n, second.n),
    )


@lru_cache(maxsize=8)
def redraws(stories: int, seed: int) -> Floats:
    """How often each story is in each redraw, (R, Z)."""
    return (
        np.random.default_rng(seed).multinomial(stories, np.full(stories, 1 / stories), size=REDRAWS).astype(np.float64)
    )


def _shares(item: Tally, weights_RZ: Floats) -> Floats:
    """NaN for a redraw in which nothing was asked."""
    asked = weights_RZ @ item.asked_Z
    return np.divide(weights_RZ @ item.right_Z, asked, out=np.full(len(asked), np.nan), where=asked > 0)


def _estimate(value_1: Floats, values_R: Floats, n: int) -> Estimate:
    low, high = np.nanpercentile(values_R, INTERVAL)
    percent, low, high = (round(100 * float(item), 1) for item in (value_1[0], low, high))
    return Estimate(percent=percent, low=low, high=high, n=n)
