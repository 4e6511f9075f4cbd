"""Batches survive lost workers; `python -m tests.batch.failures` injects more failures."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.batch.failures import (
    MAX_PER_FILM,
    SHOTS,
    Failure,
    InjectedFailure,
    Kind,
    Survey,
    draw_failures,
    report,
    survey,
)

FAILURE = Failure(film=0, kind=Kind.NODE, steps=3, delay=0.0)
INJECTED = InjectedFailure(
    failure=FAILURE, at="opening, step 3 of 40", when=0.0, why="gone", resumed="opening, at step 5"
)
SURVIVED = Survey(where="ray", steps=40, requested=1, injected=[INJECTED], films=["", ""], again=0, seconds=9.0)


@pytest.mark.ray
@pytest.mark.slow
def test_killed_workers_and_a_removed_node_lose_no_film(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'onestory[ray]'")
    found = survey(tmp_path, tiny_folder, 3, 2, steps=100, local=False)
    assert found.survived, report(found, seed=2)
    assert {item.failure.kind for item in found.injected} == set(Kind)
    assert capsys.readouterr().out == ""  # Ray must not print to stdout


@pytest.mark.fault
def test_killed_processes_lose_no_film(tmp_path: Path, tiny_folder: Path) -> None:
    found = survey(tmp_path, tiny_folder, 2, 1, steps=100, local=True)
    assert found.survived, report(found, seed=1)
    assert [item.why for item in found.injected] == 2 * ["killed by SIGKILL"]


def test_failures_follow_the_seed() -> None:
    ten = draw_failures(10, random.Random(1), steps=40, nodes=True)
    assert (
        ten
        == draw_failures(10, random.Random(1), steps=40, nodes=True)
        != draw_failures(10, random.Random(2), steps=40, nodes=True)
    )
    assert [item.kind for item in ten].count(Kind.NODE) == 3
    assert {item.kind for item in draw_failures(10, random.Random(1), steps=40, nodes=False)} == {Kind.KILL}
    for film in range(5):
        first, second = (item.steps for item in ten if item.film == film)
        assert (film == 0) == (first == 0)
        assert first < second < len(SHOTS) * 20
    assert len(draw_failures(3, random.Random(1), steps=40, nodes=True)) == 3 > MAX_PER_FILM


def test_a_lost_film_is_reported() -> None:
    assert SURVIVED.survived
    row = "| 0 | node removed | opening, step 3 of 40 | gone | opening, at step 5 | 0 |"
    assert row in report(SURVIVED, seed=1).splitlines()
    for changes, says in (
        ({"films": ["", "it is failed"]}, "Films lost: 1 of 2."),
        ({"films": ["", "differs: run.json"]}, "- film 1: differs: run.json"),
        ({"again": 2}, "computed again: 2."),
        ({"requested": 2}, "1 failures of 2"),
        ({"injected": [replace(INJECTED, why="")]}, "0 failures of 1"),
    ):
        found = replace(SURVIVED, **changes)
        assert not found.survived
        assert says in report(found, seed=1)
