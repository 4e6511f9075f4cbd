"""Six kills of real batch processes; `python -m tests.faults.batch_kills` makes more, see attacks.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.batch_kills import TARGETS, BatchKill, report

ROOT = Path(__file__).parents[2]


@pytest.mark.fault
def test_a_batch_survives_kills_of_its_processes() -> None:
    """Runs in a separate process, because the harness replaces models by arithmetic until its process ends."""
    words = [sys.executable, "-m", "tests.faults.batch_kills", "--kills", "6", "--seed", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n6 kills, 0 not survived; " in done.stdout
    assert all(f"| {target} | " in done.stdout for target in TARGETS)


def test_kills_that_missed_are_not_counted() -> None:
    kills = [
        BatchKill(target="worker", share=0.5, end="another result"),
        BatchKill(target="both", share=1, end="", missed=True),
    ]
    assert report(kills).endswith("1 kills, 1 not survived; 1 more missed.\n- worker at 0.5: another result")
