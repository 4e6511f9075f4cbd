"""Shares and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.evaluation.statistics import (
    MIN_STORIES,
    Estimate,
    difference,
    pool,
    redraws,
    share,
    tally,
    wilson,
)


def coin(stories: int, questions: int, seed: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 2, questions).astype(float).tolist() for _ in range(stories)]


def test_share_counts_questions_not_stories() -> None:
    estimate = share(tally([[1, 1, 1], [0]]))
    assert (estimate.percent, estimate.n) == (75.0, 4)


def test_share_of_100_percent_has_the_wilson_interval() -> None:
    assert share(tally([[1, 1]] * 50)) == Estimate(percent=100.0, low=96.3, high=100.0, n=100)
    assert share(tally([[0]] * 100)) == Estimate(percent=0.0, low=0.0, high=3.7, n=100)


def test_interval_near_100_percent_is_the_wider_of_both() -> None:
    """One story that is entirely wrong makes the bootstrap interval wider."""
    answers = [[1.0] * 20] * 39 + [[0.0] * 20]
    low = share(tally(answers)).low
    assert low is not None
    assert low < wilson(780, 800)[0]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(0, 10, 0.0, 27.8), (10, 10, 72.2, 100.0), (1, 10, 1.8, 40.4), (50, 100, 40.4, 59.6)],
)
def test_wilson_intervals_match_published_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=0.06)


def test_means_of_numbers_keep_the_bootstrap_interval() -> None:
    item = tally([[0.97, 0.99]] * 30)
    assert not item.counts
    assert share(item) == Estimate(percent=98.0, low=98.0, high=98.0, n=60)


@pytest.mark.parametrize(("stories", "known"), [(MIN_STORIES - 1, False), (MIN_STORIES, True)])
def test_few_stories_have_no_interval(stories: int, known: bool) -> None:
    one, other = tally(coin(stories, 2)), tally(coin(stories, 2, seed=1))
    for estimate in (share(one), difference(one, other)):
        assert estimate.percent is not None
        assert (estimate.low is not None) is (estimate.high is not None) is known


def test_pooled_tallies_add_up_questions() -> None:
    both = pool([tally([[1, 0], [1]]), tally([[1, 1], [0]])])
    assert (both.asked_Z.tolist(), both.right_Z.tolist()) == ([4, 2], [3, 1])


def test_share_without_questions_is_none_not_zero() -> None:
    assert share(tally([[], []])) == Estimate(percent=None, low=None, high=None, n=0)
    assert difference(tally([[], []]), tally([[1], [0]])).percent is None


def test_interval_of_a_coin() -> None:
    estimate = share(tally(coin(400, 1)))
    half = (estimate.high - estimate.low) / 2
    assert half == pytest.approx(4.9, abs=0.5)  # 1.96 * sqrt(0.25 / 400)
    assert estimate.low < estimate.percent < estimate.high


def test_repeated_questions_do_not_narrow_the_interval() -> None:
    once = coin(100, 1)
    assert share(tally([story * 5 for story in once])).low == share(tally(once)).low


def test_difference_is_paired_by_story() -> None:
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


def test_stories_without_questions_do_not_break_the_interval() -> None:
    estimate = share(tally([[1], *[[] for _ in range(29)]]))
    assert (estimate.percent, estimate.high, estimate.n) == (100.0, 100.0, 1)
