"""One shot on the tiny model, from caption and memory to pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onestory_cli.events import Event, Remembered, StepDone
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.shot import ShotResult, generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.planning.jobs import MemoryJob, ShotJob
from tests.tiny import job_of


@pytest.fixture
def job(tiny_model: LoadedModel) -> ShotJob:
    return job_of(tiny_model.spec)


def bank_of(*sources: str) -> MemoryBank:
    """Two latent frames of noise per source."""
    bank = MemoryBank(channels=4, height=8, width=8)
    for index, source in enumerate(sources):
        bank.add(source, torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(index)))
    return bank


def with_memory(job: ShotJob, **fields: Any) -> ShotJob:
    return replace(job, memory=replace(job.memory, **fields))


def same(first: ShotResult, second: ShotResult) -> bool:
    return first.latents_CTHW.tobytes() == second.latents_CTHW.tobytes() and np.array_equal(
        first.decode(), second.decode()
    )


def test_a_reloaded_model_gives_the_same_bytes(tiny_model: LoadedModel, tiny_folder: Path, job: ShotJob) -> None:
    bank = bank_of("opening", "city")
    made = generate_shot(tiny_model, job, bank)
    assert same(made, generate_shot(tiny_model, job, bank))
    assert same(made, generate_shot(load_model(find(str(tiny_folder)), "cpu"), job, bank))


def test_a_shot_has_the_sizes_of_its_job(tiny_model: LoadedModel, job: ShotJob) -> None:
    made = generate_shot(tiny_model, replace(job, frames=1, height=32), MemoryBank(channels=4, height=4, width=8))
    assert (made.latents_CTHW.shape, made.latents_CTHW.dtype) == ((4, 1, 4, 8), np.float32)
    assert (made.decode().shape, made.decode().dtype) == ((1, 32, 64, 3), np.uint8)
    assert (made.noise_tokens, made.context_tokens) == (8, 0)
    assert set(made.seconds) == {"remember", "denoise", "decode"}


def test_an_empty_memory_is_the_policy_none(tiny_model: LoadedModel, job: ShotJob) -> None:
    empty = generate_shot(tiny_model, job, bank_of())
    assert (empty.selection, empty.scores, empty.context_tokens) == ((), {}, 0)
    none = generate_shot(tiny_model, with_memory(job, policy="none"), bank_of("opening", "city"))
    assert none.selection == ()
    assert [len(scores) for scores in none.scores.values()] == [2, 2]
    assert same(empty, none)


@pytest.mark.parametrize(
    "change", [{"seed": 6}, {"caption": "A green bear jumps."}, {"steps": 3}, {"guidance": 3.0}, {"shift": 4.0}]
)
def test_every_field_of_the_job_changes_the_bytes(
    tiny_model: LoadedModel, job: ShotJob, change: dict[str, Any]
) -> None:
    bank = bank_of("opening")
    assert not same(generate_shot(tiny_model, job, bank), generate_shot(tiny_model, replace(job, **change), bank))


def test_only_selected_frames_change_the_bytes(tiny_model: LoadedModel, job: ShotJob) -> None:
    job = with_memory(job, policy="last")
    made = generate_shot(tiny_model, job, bank_of("opening", "city"))
    other = bank_of("opening", "city")
    other.add("city", -other.frames_FCHW[2:].transpose(0, 1))
    assert not same(made, generate_shot(tiny_model, job, other))
    other = bank_of("opening", "city")
    other.add("opening", torch.zeros(4, 2, 8, 8))
    assert same(made, generate_shot(tiny_model, job, other))


def test_budget_and_frames_change_the_bytes(tiny_model: LoadedModel, job: ShotJob) -> None:
    bank = bank_of("opening", "city")
    made = [
        generate_shot(tiny_model, with_memory(job, frames=frames, budget=budget), bank)
        for frames, budget in ((3, 2.0), (2, 2.0), (3, 0.5))
    ]
    assert [item.context_tokens for item in made] == [24, 32, 6]
    assert not same(made[0], made[1])
    assert not same(made[0], made[2])


def test_the_selection_is_in_order_of_relevance(tiny_model: LoadedModel, job: ShotJob) -> None:
    made = generate_shot(tiny_model, job, bank_of("@fox", "opening", "city"))
    scores = [item.score for item in made.selection]
    assert scores == sorted((value for row in made.scores.values() for value in row), reverse=True)[:3]
    assert list(made.scores) == ["@fox", "opening", "city"]
    assert all(made.scores[item.source][item.index] == item.score for item in made.selection)
    assert [item.level for item in made.selection] == ["fine", "medium", "medium"]
    assert sum(item.tokens for item in made.selection) == made.context_tokens <= job.memory.budget * 16


def test_frames_beyond_the_budget_are_not_reported(tiny_model: LoadedModel, job: ShotJob) -> None:
    made = generate_shot(tiny_model, with_memory(job, frames=3, budget=0.13), bank_of("opening", "city"))
    assert [item.tokens for item in made.selection] == [1, 1]


def test_an_image_becomes_the_first_latent_frame(tiny_model: LoadedModel, job: ShotJob) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    made = generate_shot(tiny_model, job, bank_of("opening"), image=image)
    with torch.inference_mode():
        first = tiny_model.codec.encode_image(image)[:, 0].numpy()
    assert np.array_equal(made.latents_CTHW[:, 0], first)
    assert not np.array_equal(made.latents_CTHW, generate_shot(tiny_model, job, bank_of("opening")).latents_CTHW)


def test_unipc_gives_another_shot(tiny_model: LoadedModel, job: ShotJob) -> None:
    euler, unipc = (
        generate_shot(tiny_model, replace(job, scheduler=name, steps=4), bank_of("opening"))
        for name in ("euler", "unipc")
    )
    assert np.isfinite(unipc.latents_CTHW).all()
    assert not same(euler, unipc)


def test_events_report_the_memory_and_every_step(tiny_model: LoadedModel, job: ShotJob) -> None:
    heard: list[Event] = []
    made = generate_shot(tiny_model, job, bank_of("opening", "city"), emit=heard.append)
    remembered, *steps = heard
    frames = tuple((item.source, item.index) for item in made.selection)
    assert remembered == Remembered(shot="return", frames=frames, tokens=made.context_tokens, visible=4)
    assert all(isinstance(item, StepDone) and item.steps == 2 for item in steps)
    assert [item.step for item in steps if isinstance(item, StepDone)] == [1, 2]


def test_memory_settings_do_not_matter_without_memory(tiny_model: LoadedModel, job: ShotJob) -> None:
    changed = replace(job, memory=MemoryJob(frames=1, budget=0.5, policy="recent", sources=("opening",)))
    assert same(generate_shot(tiny_model, job, bank_of()), generate_shot(tiny_model, changed, bank_of()))


def test_without_visible_memory_there_is_no_memory_guidance(job: ShotJob) -> None:
    """The key of such a shot does not contain it, so the shot must not depend on it."""
    guided = replace(job, memory=replace(job.memory, guidance=2.0, sources=("opening",)))
    assert DenoiseConfig.of_job(guided).memory_guidance == 2.0
    assert DenoiseConfig.of_job(replace(guided, memory=replace(guided.memory, sources=()))).memory_guidance == 0.0
