"""Twenty kills. `python -m tests.faults` runs more; see kills.log.md."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.films import film_of_a_real_model, film_of_numbers
from tests.faults.kills import Kill, Kind, choose_kills, measure, survives
from tests.store.conftest import memory_folder

__all__ = ["memory_folder"]


@pytest.mark.fault
def test_killed_run_resumes_to_the_same_bytes(memory_folder: Path) -> None:
    film = film_of_numbers()
    whole = measure(film, memory_folder / "whole")
    kills = list(choose_kills(whole, 20, random.Random(3)))
    assert len(kills) == 20
    assert {kill.kind for kill in kills} == set(Kind)
    ends = {str(kill): survives(film, whole, memory_folder / str(n), kill) for n, kill in enumerate(kills)}
    assert {kill: end for kill, end in ends.items() if end not in ("same", "ended before")} == {}
    assert sum(end == "same" for end in ends.values()) >= 16


@pytest.mark.fault
def test_real_model_killed_within_a_shot_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    film = film_of_a_real_model(tmp_path / "model")
    whole = measure(film, tmp_path / "whole")
    count = len(whole.operations)
    for at in (whole.operations[count // 3], whole.operations[count // 2]):
        assert (
            survives(film, whole, tmp_path / str(whole.operations.index(at)), Kill(kind=Kind.OPERATION, at=(at,)))
            == "same"
        )


def test_enough_kills_cover_every_operation(memory_folder: Path) -> None:
    whole = measure(film_of_numbers(), memory_folder)
    kills = list(choose_kills(whole, 2 * len(whole.operations), random.Random(0)))
    assert tuple(kill.at[0] for kill in kills if kill.kind is Kind.OPERATION) == whole.operations
    assert len(set(whole.operations)) == len(whole.operations) > 100


def test_operations_have_the_same_names_in_every_run(memory_folder: Path) -> None:
    one, other = (measure(film_of_numbers(), memory_folder / name) for name in "ab")
    assert sorted(one.operations) == sorted(other.operations)


@pytest.mark.fault
def test_harness_reports_differences_and_damage(memory_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = film_of_numbers()
    whole = measure(film, memory_folder / "whole")
    state = whole.outcome["run.json"].replace('"tool": "onestory', '"tool": "another')
    whole = replace(whole, outcome={**whole.outcome, "run.json": state})
    kill = Kill(kind=Kind.OPERATION, at=(whole.operations[20],))
    found = survives(film, whole, memory_folder / "a", kill)
    assert found.startswith('differs: run.json; -  "tool": "another')
    assert '; +  "tool": "onestory' in found
    monkeypatch.setattr("tests.faults.kills.find_damage", lambda run: ("a torn clip",))
    assert survives(film, whole, memory_folder / "b", kill) == "damaged: a torn clip"
