"""The comparison with stock diffusers, on a tiny model of the real classes: what it makes, never how fast."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.evaluation.speed.__main__ import Speed, main, report
from onestory_cli.evaluation.speed.films import Film, plan_of
from onestory_cli.evaluation.speed.parts import Pair, StepShape, in_turns, late_and_early, step_with_memory
from onestory_cli.evaluation.speed.stock import load_stock, stock_shot
from onestory_cli.generate.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.loaded import LoadedModel
from onestory_cli.plan import MemoryJob
from tests.tiny import job_of, tiny_folder, tiny_model

__all__ = ["tiny_folder", "tiny_model"]

STORY = """\
story: 1
title: Two
model: {model}
shots:
  - {{id: opening, caption: A red fox walks on a beach.}}
  - {{id: city, caption: A city at night.}}
"""


@pytest.mark.slow
def test_both_ways_make_the_film_and_are_told(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    sizes = ("--turns", "1", "--step", "1", "1", "32", "32", "5", "--late", "3")
    main([str(story), *sizes, "--json"])
    told = json.loads(capsys.readouterr().out)
    for way in ("ours", "stock"):
        assert all(value > 0 for value in told[way][0].values()), way
    assert told["step"]["seconds"] > 0
    assert told["shots"]["without"] > 0


def test_the_stock_loop_makes_our_first_shot(tmp_path: Path, tiny_folder: Path, tiny_model: LoadedModel) -> None:
    """Same weights, noise, steps and guidance: a shot that remembers nothing is the pipeline's own."""
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    plan = plan_of(story)
    # the stock scheduler shifts its last sigma twice; one step has no last but the first
    job = replace(plan.jobs[0], steps=1)
    ours = generate_shot(tiny_model, job, _empty(tiny_model)).pixels_PHWC
    stock = stock_shot(load_stock(plan.model, "cpu"), plan.model, job)
    assert stock.shape == ours.shape
    assert np.abs(stock.astype(int) - ours.astype(int)).max() <= 1


def _empty(model: LoadedModel) -> MemoryBank:
    rows, columns = model.spec.latent_size(model.spec.width, model.spec.height)
    return MemoryBank(channels=model.spec.latent_channels, height=rows, width=columns)


def test_a_late_shot_sees_all_before_it(tiny_model: LoadedModel) -> None:
    memory = MemoryJob(frames=2, budget=1.0, policy="adaptive", sources=())
    pair = late_and_early(tiny_model, job_of(tiny_model.spec, memory=memory), late=4, turns=1)
    assert pair.seconds > 0
    assert pair.without > 0


def test_a_step_takes_the_budget_and_none() -> None:
    pair = step_with_memory(StepShape(heads=1, width=32, height=32, frames=5), budget=1.0, turns=1)
    assert pair.ratio > 0


def test_sides_take_turns_and_the_least_counts() -> None:
    order: list[str] = []
    in_turns(lambda: order.append("a"), lambda: order.append("b"), 2)
    assert order == ["a", "b"] * 3


def test_ratios_are_of_the_least_disturbed() -> None:
    films = [Film(load_seconds=1, load_bytes=10**8, seconds=s, cpu_seconds=2, peak_bytes=10**9) for s in (9.0, 8.0)]
    speed = Speed(ours=tuple(films[1:]), stock=tuple(films[:1]), step=Pair(seconds=1.05, without=1.0), shots=None)
    lines = report(speed).splitlines()
    assert lines[2] == "| film, s | 8.00 | 9.00 | 0.89 |"
    assert lines[-1] == "| a step with memory at budget 1.0, s | 1.050 | 1.000 | 1.050 |"


def test_a_caption_is_read_once(tiny_model: LoadedModel) -> None:
    text = tiny_model.read("A red fox walks.")
    assert tiny_model.read("A red fox walks.") is text
    assert torch.equal(text, tiny_model.encode_text(["A red fox walks."]))
