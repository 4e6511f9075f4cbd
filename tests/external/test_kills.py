"""A few kills and restarts; `python -m tests.external.kills` makes more, and kills.log.md has a result."""

from __future__ import annotations

import pytest

from tests.external.kills import attack


@pytest.mark.fault
def test_kills_and_restarts_lose_and_repeat_nothing() -> None:
    tally = attack(kills=4, restarts=2, seed=1)
    assert (tally.kills, tally.restarts) == (4, 2)
    assert (tally.lost, tally.repeated) == (0, 0)
