"""Shares with 95 % intervals from a bootstrap over stories, because shots of one story are not independent.

Shape letters: Z stories, R redraws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

REDRAWS = 2000
INTERVAL = (2.5, 97.5)
MIN_STORIES = 20  # with fewer stories, the bootstrap interval is too narrow
EXTREME = (
    5.0  # percent from 0 or 100, within which the interval of Wilson (1927) is wider because redraws hardly differ
)
Z_95 = 1.96

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A share (or a difference of two) in percent with its 95 % interval, over `n` questions.

    All are None without questions; the interval is None with fewer than `MIN_STORIES` stories.
    """

    percent: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The number of questions of one kind in each story, and the number of right answers; both (Z,).

    An answer can also be a number such as a cosine. Then `right_Z` is the sum of the answers, and the share their mean.
    """

    asked_Z: Floats
    right_Z: Floats

    @property
    def n(self) -> int:
        return int(self.asked_Z.sum())

    @property
    def counts(self) -> bool:
        """Whether all answers are right or wrong, without numbers in between."""
        return bool(np.array_equal(self.right_Z, self.right_Z.round()))

    def of(self, stories: Sequence[int]) -> Tally:
        """The tally of some of the stories."""
        return Tally(asked_Z=self.asked_Z[list(stories)], right_Z=self.right_Z[list(stories)])

    def document(self) -> dict[str, list[float]]:
        """Return the tally as JSON with rounded numbers; `read_tally` reads it."""
        return {"asked": self.asked_Z.astype(int).tolist(), "right": [round(item, 4) for item in self.right_Z.tolist()]}


def tally(answers: Sequence[Sequence[float]]) -> Tally:
    """Count the answers of every story: 1 or True is right; fractions count partially."""
    return Tally(
        asked_Z=np.array([len(story) for story in answers], np.float64),
        right_Z=np.array([sum(story) for story in answers], np.float64),
    )


def read_tally(document: Mapping[str, Sequence[float]]) -> Tally:
    """Read what `Tally.document` returned."""
    return Tally(asked_Z=np.array(document["asked"], np.float64), right_Z=np.array(document["right"], np.float64))


def pool(tallies: Sequence[Tally]) -> Tally:
    """Add up tallies of the same questions about the same stories."""
    return Tally(
        asked_Z=np.sum([item.asked_Z for item in tallies], axis=0),
        right_Z=np.sum([item.right_Z for item in tallies], axis=0),
    )


def share(item: Tally, *, seed: int = 0) -> Estimate:
    """The share of right answers, with the bootstrap's percentile interval over stories.

    Near 0 and 100 % the interval is widened to the Wilson interval over questions, because all redraws of equal answers
    are equal.
    """
    if item.n == 0:
        return Estimate(percent=None, low=None, high=None, n=0)
    stories = len(item.asked_Z)
    percent = 100 * item.right_Z.sum() / item.n
    if stories < MIN_STORIES:
        return _estimate(percent, None, item.n)
    low, high = _percentiles(_shares(item, redraws(stories, seed)))
    if item.counts and not EXTREME < percent < 100 - EXTREME:
        wide = wilson(item.right_Z.sum(), item.n)
        low, high = min(low, wide[0]), max(high, wide[1])
    return _estimate(percent, (low, high), item.n)


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) for `right` of `n` independent answers, in percent."""
    centre = (right + Z_95**2 / 2) / (n + Z_95**2)
    half = Z_95 / (n + Z_95**2) * math.sqrt(right * (n - right) / n + Z_95**2 / 4)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def difference(first: Tally, second: Tally, *, seed: int = 0) -> Estimate:
    """First share minus second, paired: both use the same redraws of stories."""
    if first.n == 0 or second.n == 0:
        return Estimate(percent=None, low=None, high=None, n=0)
    stories, n = len(first.asked_Z), min(first.n, second.n)
    percent = 100 * (first.right_Z.sum() / first.n - second.right_Z.sum() / second.n)
    if stories < MIN_STORIES:
        return _estimate(percent, None, n)
    again = redraws(stories, seed)
    return _estimate(percent, _percentiles(_shares(first, again) - _shares(second, again)), n)


@lru_cache(maxsize=8)
def redraws(stories: int, seed: int) -> Floats:
    """(R, Z): the number of times that each redraw contains each story."""
    return (
        np.random.default_rng(seed).multinomial(stories, np.full(stories, 1 / stories), size=REDRAWS).astype(np.float64)
    )


def _shares(item: Tally, weights_RZ: Floats) -> Floats:
    """(R,) shares; NaN for a redraw without questions."""
    asked = weights_RZ @ item.asked_Z
    return np.divide(weights_RZ @ item.right_Z, asked, out=np.full(len(asked), np.nan), where=asked > 0)


def _percentiles(values_R: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(values_R, INTERVAL)
    return 100 * float(low), 100 * float(high)


def _estimate(percent: float, interval: tuple[float, float] | None, n: int) -> Estimate:
    low, high = (None, None) if interval is None else (round(interval[0], 1), round(interval[1], 1))
    return Estimate(percent=round(float(percent), 1), low=low, high=high, n=n)
