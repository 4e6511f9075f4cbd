"""Decoding in a background thread: the same pixels, and only with enough resources."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.generation.shot import can_decode_in_background, generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.model import LoadedModel
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.model_generator import ModelGenerator
from onestory_cli.rendering.render import render
from onestory_cli.store.run import Run
from tests.faults.kills import outcome_of
from tests.films import FINGERPRINT, shot, story_of
from tests.tiny import job_of


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


def test_decode_runs_once_and_is_timed(tiny_model: LoadedModel) -> None:
    made = generate_shot(tiny_model, job_of(tiny_model.spec), MemoryBank(channels=4, height=8, width=8))
    assert set(made.seconds) == {"remember", "denoise"}
    assert made.decode() is made.decode()
    assert set(made.seconds) == {"remember", "denoise", "decode"}


@pytest.mark.slow
def test_concurrent_decodes_give_the_same_pixels(tiny_model: LoadedModel) -> None:
    """Decoding and encoding share the VAE's causal cache, so they must not overlap."""
    bank = MemoryBank(channels=4, height=8, width=8)
    jobs = [job_of(tiny_model.spec, seed=seed) for seed in range(4)]
    alone = [generate_shot(tiny_model, job, bank).decode() for job in jobs]
    latents = [tiny_model.codec.encode_video(pixels[None]) for pixels in alone]
    with ThreadPoolExecutor(2) as threads:
        made = [generate_shot(tiny_model, job, bank) for job in jobs]
        pixels = [threads.submit(item.decode) for item in made]
        again = [tiny_model.codec.encode_video(item[None]) for item in alone]
        assert all(np.array_equal(item.result(), other) for item, other in zip(pixels, alone, strict=True))
    assert all(torch.equal(item, other) for item, other in zip(again, latents, strict=True))


def test_background_decoding_gives_the_same_film(
    tiny_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = story_of(shot("opening"), shot("city"), shot("return"), model=tiny_model.spec.files.base)
    plan, _ = make_plan(story, tiny_model.spec, model_fingerprint=FINGERPRINT)
    outcomes = []
    for count in (2 * torch.get_num_threads(), 1):
        cores(monkeypatch, count)
        maker = ModelGenerator(tiny_model.spec, lambda: tiny_model.selection, lambda _: tiny_model)
        render(plan, Run.create(tmp_path / str(count)), lambda maker=maker: maker)
        outcomes.append(outcome_of(tmp_path / str(count)))
    assert outcomes[0] == outcomes[1]


def test_a_cpu_needs_twice_the_cores(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    for count, possible in ((2 * threads, True), (2 * threads - 1, False)):
        cores(monkeypatch, count)
        assert can_decode_in_background(tiny_model, width=64, height=64) is possible


def test_bases_that_read_pixels_decode_before_the_next_shot(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, 2 * torch.get_num_threads())
    for task, possible in (("t2v", True), ("i2v", False), ("vace", False)):
        spec = tiny_model.spec.with_fields(adapter="", task=task)
        model = replace(tiny_model, denoiser=replace(tiny_model.denoiser, spec=spec))
        assert can_decode_in_background(model, width=64, height=64) is possible
