"""The table of attacks in the manual is that of the committed log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.attacks import PAGE, Attack, read_log, table, with_table


def test_the_manual_has_the_table_of_the_log(golden: Callable[[Path, str], None]) -> None:
    golden(PAGE, with_table(PAGE.read_text(), read_log()))
    assert table(read_log()) in PAGE.read_text()


def test_runs_of_an_attack_are_added() -> None:
    run = Attack(attack="kills", command="a", date="2026-11-30", count=700, lost=0)
    other = Attack(attack="kills", command="b", date="2026-11-30", count=500, lost=1, found="a hang", seconds=90)
    assert table([run, other]).splitlines()[2:] == ["| kills, 2 min | 1,200 | 1 | a hang |"]
