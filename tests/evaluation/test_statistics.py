"""Shares and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.evaluation.statistics import Estimate, difference, redraws, share, tally


def coin(stories: int, questions: int, seed: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 2, questions).astype(float).tolist() for _ in range(stories)]


def test_a_share_counts_questions_not_stories() -> None:
    estimate = share(tally([[1, 1, 1], [0]]))
    assert (estimate.percent, estimate.n) == (75.0, 4)


def test_certainty_has_no_width() -> None:
    assert share(tally([[1, 1], [1]])) == Estimate(percent=100.0, low=100.0, high=100.0, n=3)


def test_nothing_asked_is_nothing_and_not_zero() -> None:
    assert share(tally([[], []])) == Estimate(percent=None, low=None, high=None, n=0)
    assert difference(tally([[], []]), tally([[1], [0]])).percent is None


def test_the_interval_is_that_of_a_coin() -> None:
    estimate = share(tally(coin(400, 1)))
    half = (estimate.high - estimate.low) / 2
    assert half == pytest.approx(4.9, abs=0.5)  # 1.96 * sqrt(0.25 / 400)
    assert estimate.low < estimate.percent < estimate.high


def test_asking_a_story_twice_tells_nothing_new() -> None:
    once = coin(100, 1)
    assert share(tally([story * 5 for story in once])).low == share(tally(once)).low


def test_a_difference_is_paired_by_story() -> None:
    low, high = coin(60, 4), []
    for story in low:
        high.append([*story, 1.0, 1.0])
    padded = [[*story, 0.0, 0.0] for story in low]
    estimate = difference(tally(high), tally(padded))
    assert (estimate.percent, estimate.low, estimate.high) == (33.3, 33.3, 33.3)


def test_equal_seeds_give_equal_intervals() -> None:
    item = tally(coin(30, 3))
    assert share(item, seed=1) == share(item, seed=1)
    assert not np.array_equal(redraws(30, 1), redraws(30, 2))


def test_stories_without_the_question_do_not_break_the_interval() -> None:
    estimate = share(tally([[1], *[[] for _ in range(9)]]))
    assert (estimate.percent, estimate.low, estimate.n) == (100.0, 100.0, 1)
