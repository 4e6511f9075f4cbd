"""Every file of a run is damaged, and some operations of the store are refused; kills.log.md has all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.store.layout import EVENTS, STATE
from tests.faults.__main__ import report_of_harms, report_of_refusals
from tests.faults.films import film_of_numbers
from tests.faults.harms import HARMS, harm_every_file
from tests.faults.kills import measure
from tests.faults.refusals import FAULTS, refuse_every_operation
from tests.store.conftest import memory_folder

__all__ = ["memory_folder"]


@pytest.mark.fault
def test_every_damaged_file_is_found_reported_and_repaired(memory_folder: Path) -> None:
    harms = list(harm_every_file(film_of_numbers(), memory_folder))
    assert {item.kind for item in harms} == set(HARMS)
    assert {str(item): item.end for item in harms if item.end} == {}
    assert {STATE, EVENTS, "film.mp4", "story.yaml"} < {item.file for item in harms}
    assert {item.made for item in harms} == {(), ("opening",), ("city",), ("return",)}
    assert "All were survived." in report_of_harms(harms)
    lost = replace(harms[0], end="not found", file="run.json", kind="deleted")
    assert "- run.json deleted: not found" in report_of_harms([lost])


@pytest.mark.fault
def test_refused_operations_are_coded_and_resume(memory_folder: Path) -> None:
    film = film_of_numbers()
    whole = measure(film, memory_folder / "whole")
    some = replace(whole, operations=whole.operations[7::12])
    refusals = list(refuse_every_operation(film, some, memory_folder / "refused"))
    assert {item.kind for item in refusals} == set(FAULTS)
    assert {str(item): item.end for item in refusals if item.end} == {}
    assert "All were survived." in report_of_refusals(refusals)


@pytest.mark.fault
def test_unreached_refusal_is_not_a_success(memory_folder: Path) -> None:
    film = film_of_numbers()
    whole = replace(measure(film, memory_folder / "whole"), operations=("write nothing, 1",))
    assert {item.end for item in refuse_every_operation(film, whole, memory_folder / "refused")} == {"not reported"}


@pytest.mark.fault
def test_difference_after_a_refusal_is_a_failure(memory_folder: Path) -> None:
    film = film_of_numbers()
    whole = measure(film, memory_folder / "whole")
    whole = replace(whole, outcome={**whole.outcome, "story.yaml": "other"}, operations=whole.operations[5:6])
    ends = {item.end for item in refuse_every_operation(film, whole, memory_folder / "refused")}
    assert ends == {"differs: story.yaml"}
