"""How long shots will take, by the takes that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.store.pace import pace, token_steps
from onestory_cli.store.run import Run
from tests.films import render_with, three_shots


def test_time_goes_by_tokens_and_steps(tmp_path: Path) -> None:
    plan = three_shots()
    render_with(plan, tmp_path / "film.run")
    shelves = Run.open(tmp_path / "film.run").shelves()
    records = [take.record for shelf in shelves.values() for take in shelf.takes]
    rate = pace(records)
    assert rate is not None
    first = records[0]
    work = int(first.spec["steps"] or 0) * (first.memory.noise_tokens + first.memory.context_tokens)
    assert pace(records[:1]) == pytest.approx(sum(first.seconds.values()) / work)
    slower = [replace(item, seconds={name: 2 * value for name, value in item.seconds.items()}) for item in records]
    assert pace(slower) == pytest.approx(2 * rate)


def test_without_takes_nothing_is_known() -> None:
    assert pace([]) is None


def test_a_shot_costs_its_tokens_at_every_step() -> None:
    job = three_shots().jobs[0]
    assert token_steps(replace(job, steps=2 * job.steps)) == 2 * token_steps(job)
