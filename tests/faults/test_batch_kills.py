"""Six kills of real batch processes; `python -m tests.faults.batch_kills` makes more, see attacks.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.batch_kills import TARGETS, BatchHarness, BatchKill, report
from tests.store.conftest import memory_folder

__all__ = ["memory_folder"]


@pytest.mark.fault
def test_a_batch_survives_kills_of_its_processes(memory_folder: Path) -> None:
    kills = list(BatchHarness(memory_folder / "batch").kills(6, 3))
    assert [str(kill) for kill in kills if kill.end] == []
    assert {kill.target for kill in kills} == set(TARGETS)


def test_kills_that_missed_are_not_counted() -> None:
    kills = [
        BatchKill(target="worker", share=0.5, end="another result"),
        BatchKill(target="both", share=1, end="", missed=True),
    ]
    assert report(kills).endswith("1 kills, 1 not survived; 1 more missed.\n- worker at 0.5: another result")
