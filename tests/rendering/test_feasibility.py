"""Estimated render times, from existing takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.rendering.feasibility import seconds_per_token_step, token_steps
from onestory_cli.store.run import Run
from tests.films import render_with, three_shots


def test_time_follows_tokens_and_steps(tmp_path: Path) -> None:
    plan = three_shots()
    render_with(plan, tmp_path / "film.run")
    takes_by_shot = Run.open(tmp_path / "film.run").takes_by_shot()
    records = [take.record for shot_takes in takes_by_shot.values() for take in shot_takes.takes]
    rate = seconds_per_token_step(records)
    assert rate is not None
    first = records[0]
    work = int(first.spec["steps"] or 0) * (first.memory.noise_tokens + first.memory.context_tokens)
    assert seconds_per_token_step(records[:1]) == pytest.approx(sum(first.seconds.values()) / work)
    slower = [replace(item, seconds={name: 2 * value for name, value in item.seconds.items()}) for item in records]
    assert seconds_per_token_step(slower) == pytest.approx(2 * rate)


def test_without_takes_there_is_no_estimate() -> None:
    assert seconds_per_token_step([]) is None


def test_a_shot_costs_its_tokens_at_every_step() -> None:
    job = three_shots().jobs[0]
    assert token_steps(replace(job, steps=2 * job.steps)) == 2 * token_steps(job)
