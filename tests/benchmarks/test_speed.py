"""The comparison with stock diffusers, with a tiny model of the real classes. Times are not asserted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.generation.denoise import Conditions, guided_velocity
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.model import LoadedModel
from onestory_cli.planning.jobs import MemoryJob
from tests.benchmarks.speed import parts
from tests.benchmarks.speed.__main__ import Speed, main, report
from tests.benchmarks.speed.films import Film, Sampling, plan_of
from tests.benchmarks.speed.parts import Aged, Pair, StepShape, ages, in_turns, least, step_with_memory
from tests.benchmarks.speed.stock import load_stock, stock_shot
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
def test_both_sides_are_measured(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    sizes = ("--turns", "1", "--step", "1", "1", "32", "32", "5", "--late", "3", "--teacher", "2", "2")
    main([str(story), *sizes, "--json"])
    document = json.loads(capsys.readouterr().out)
    for way in ("ours", "stock", "teacher"):
        peaks = document[way][0].pop("peaks")
        assert len(peaks) == 2
        assert peaks[1] > 0.99 * peaks[0]  # the kernel counts pages in batches, so a peak can decrease slightly
        assert all(value > 0 for value in document[way][0].values()), way
    assert document["ours"][0]["read_bytes"] > document["stock"][0]["read_bytes"]  # includes the adapter
    assert document["step"]["seconds"] > 0
    assert [shot["number"] for shot in document["shots"]] == [2, 3]


def test_stock_loop_gives_the_same_first_shot(tmp_path: Path, tiny_folder: Path, tiny_model: LoadedModel) -> None:
    """With the same weights, noise, steps and guidance, a shot without memory equals that of the pipeline."""
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    plan = plan_of(story)
    # one step, because the stock scheduler shifts its last sigma twice
    job = replace(plan.jobs[0], steps=1)
    ours = generate_shot(tiny_model, job, _empty(tiny_model)).decode()
    stock = stock_shot(load_stock(plan.model, "cpu"), plan.model, job)
    assert stock.shape == ours.shape
    assert np.abs(stock.astype(int) - ours.astype(int)).max() <= 1


def _empty(model: LoadedModel) -> MemoryBank:
    rows, columns = model.spec.latent_size(model.spec.width, model.spec.height)
    return MemoryBank(channels=model.spec.latent_channels, height=rows, width=columns)


@pytest.mark.parametrize(
    ("frames", "expected"), [(3, [(2, 2), (3, 3), (6, 3)]), (2, [(2, 2), (6, 2)]), (9, [(2, 2), (6, 9)])]
)
@pytest.mark.slow
def test_late_shots_are_compared_with_shot_2_and_first_full_memory(
    tmp_path: Path, tiny_folder: Path, frames: int, expected: list[tuple[int, int]]
) -> None:
    """A shot has two latent frames."""
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    plan = plan_of(story)
    memory = MemoryJob(frames=frames, budget=4.0, policy="adaptive", sources=())
    shots = ages(replace(plan, jobs=(job_of(plan.model, memory=memory),)), "cpu", (6,), 1)
    assert [(shot.number, shot.remembered) for shot in shots] == expected
    assert all(shot.seconds > 0 and shot.peak_bytes > 0 for shot in shots)


def test_step_is_measured_with_and_without_context(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[int] = []

    def counted(model: object, latents: object, moment: object, conditions: Conditions, schedule: object) -> object:
        tokens.append(conditions.context_BSD.shape[1])
        return guided_velocity(model, latents, moment, conditions, schedule)  # type: ignore[arg-type]

    monkeypatch.setattr(parts, "guided_velocity", counted)
    step_with_memory(StepShape(heads=1, width=32, height=32, frames=5), budget=1.5, turns=1)
    assert tokens == [6, 0, 6, 0]  # a latent frame of 32 x 32 pixels has four tokens; the first turn is the warm-up


def test_teacher_has_its_own_sampling(tmp_path: Path, tiny_folder: Path) -> None:
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    plan = plan_of(story, Sampling(steps=24, guidance=3.0))
    assert [(job.steps, job.guidance) for job in plan.jobs] == [(24, 3.0)] * 2


def test_sides_alternate_and_the_minimum_counts() -> None:
    order: list[str] = []
    in_turns(lambda: order.append("a"), lambda: order.append("b"), 2)
    assert order == ["a", "b"] * 3


def test_preparation_is_not_measured() -> None:
    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    works = [lambda: wait(1.0), lambda: wait(2.0)]
    assert least(works, 1, lambda: now[0], prepare=lambda side: wait(100.0)) == [1.0, 2.0]


def test_report_uses_minimum_times() -> None:
    films = [
        Film(
            read_bytes=10**7,
            load_seconds=1,
            load_bytes=10**8,
            seconds=seconds,
            cpu_seconds=2,
            peak_bytes=10**9,
            peaks=(9 * 10**8, 10**9),
        )
        for seconds in (9.0, 8.0)
    ]
    times = ((2, 5, 1.0), (3, 8, 1.25), (50, 8, 1.5))
    shots = tuple(Aged(number=n, remembered=r, seconds=s, peak_bytes=10**9) for n, r, s in times)
    ours, stock, teacher = (films[1],), (films[0],), (replace(films[0], seconds=40.0),)
    sampling, step = Sampling(steps=24, guidance=3.0), Pair(seconds=1.05, without=1.0)
    speed = Speed(ours=ours, stock=stock, teacher=teacher, sampling=sampling, step=step, shots=shots)
    lines = report(speed).splitlines()
    assert lines[2] == "| film, s | 8.00 | 9.00 | 0.89 |"
    assert "| weights read, MB | 10.00 | 10.00 | 1.00 |" in lines
    assert "Peak memory of ours after its first shot 900 MB, after its last 1000 MB." in lines
    assert "| a step with memory at budget 1.0, s | 1.050 | 1.000 | 1.050 |" in lines
    assert "| film, s; the pipeline with 24 steps and guidance 3 | 8.00 | 40.00 | 0.20 |" in lines
    assert lines[-5:] == [
        "| what | s | remembers | shot 50 / this | peak, MB |",
        "|---|---|---|---|---|",
        "| shot 2 | 1.000 | 5 frames | 1.500 | 1000 |",
        "| shot 3 | 1.250 | 8 frames | 1.200 | 1000 |",
        "| shot 50 | 1.500 | 8 frames | 1.000 | 1000 |",
    ]


def test_caption_is_encoded_once(tiny_model: LoadedModel) -> None:
    text = tiny_model.text.encode_cached("A red fox walks.")
    assert tiny_model.text.encode_cached("A red fox walks.") is text
    assert torch.equal(text, tiny_model.text.encode(["A red fox walks."]))
