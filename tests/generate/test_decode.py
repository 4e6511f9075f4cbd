"""Decoding in a thread of its own: the same pixels, and only where there is room."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.generate.decode import can_decode_in_background
from onestory_cli.generate.shot import generate_shot
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


def test_a_shot_is_decoded_when_its_pixels_are_first_asked_for(tiny_model: LoadedModel) -> None:
    made = generate_shot(tiny_model, job_of(tiny_model.spec), MemoryBank(channels=4, height=8, width=8))
    assert set(made.seconds) == {"remember", "denoise"}
    assert made.pixels_PHWC is made.pixels_PHWC
    assert set(made.seconds) == {"remember", "denoise", "decode"}


def test_threads_that_work_with_one_model_make_the_same_pixels(tiny_model: LoadedModel) -> None:
    """Among them one that encodes: the VAE keeps what it is at on itself, so they must take turns."""
    bank = MemoryBank(channels=4, height=8, width=8)
    jobs = [job_of(tiny_model.spec, seed=seed) for seed in range(4)]
    alone = [generate_shot(tiny_model, job, bank).pixels_PHWC for job in jobs]
    latents = [tiny_model.encode_video(pixels[None]) for pixels in alone]
    with ThreadPoolExecutor(2) as threads:
        made = [generate_shot(tiny_model, job, bank) for job in jobs]
        pixels = [threads.submit(lambda item=item: item.pixels_PHWC) for item in made]
        again = [tiny_model.encode_video(item[None]) for item in alone]
        assert all(np.array_equal(item.result(), other) for item, other in zip(pixels, alone, strict=True))
    assert all(torch.equal(item, other) for item, other in zip(again, latents, strict=True))


def test_a_film_is_the_same_with_decoding_beside_and_without(
    tiny_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = story_of(shot("opening"), shot("city"), shot("return"), model=tiny_model.spec.base)
    plan, _ = make_plan(story, tiny_model.spec, model_fingerprint=FINGERPRINT)
    outcomes = []
    for count in (2 * torch.get_num_threads(), 1):
        cores(monkeypatch, count)
        maker = ModelGenerator(tiny_model.spec, lambda: tiny_model, lambda _: tiny_model)
        render(plan, Run.create(tmp_path / str(count)), lambda maker=maker: maker)
        outcomes.append(outcome_of(tmp_path / str(count)))
    assert outcomes[0] == outcomes[1]


def test_on_a_processor_it_needs_cores_of_its_own(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    for count, beside in ((2 * threads, True), (2 * threads - 1, False)):
        cores(monkeypatch, count)
        assert can_decode_in_background(tiny_model, width=64, height=64) is beside


def test_what_the_next_shot_looks_at_is_decoded_before_it(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, 2 * torch.get_num_threads())
    for task, beside in (("t2v", True), ("i2v", False), ("vace", False)):
        spec = replace(tiny_model.spec, adapter="", task=task)
        assert can_decode_in_background(replace(tiny_model, spec=spec), width=64, height=64) is beside
