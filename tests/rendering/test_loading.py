"""Models are loaded lazily during a render; tested with a tiny one of the real classes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.events import Event, ModelLoaded, ModelLoading
from onestory_cli.models.catalog import find
from onestory_cli.models.encoders import VaeCodec
from onestory_cli.models.load import LoadedModel
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.loading import model_loader, tune_small_model
from tests.tiny import job_of, tiny_folder, tiny_model

__all__ = ["tiny_folder", "tiny_model"]


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of two cores, whose user did not choose a number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def with_own_codec(model: LoadedModel) -> LoadedModel:
    return replace(model, codec=VaeCodec(vae=copy.deepcopy(model.codec.vae)))


@pytest.mark.usefixtures("two_threads")
def test_small_model_computes_on_one_thread(tiny_model: LoadedModel) -> None:
    model = with_own_codec(tiny_model)
    assert tune_small_model(model) is model
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_large_model_uses_all_threads(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onestory_cli.rendering.loading.SMALL_MODEL", 1)
    tune_small_model(with_own_codec(tiny_model))
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_chosen_number_of_threads_is_kept(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    tune_small_model(with_own_codec(tiny_model))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("fast", [True, False])
def test_small_model_decodes_in_bfloat16_where_that_is_fast(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr("onestory_cli.models.load.is_fast_in_bfloat16", lambda device: fast)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    codec = tune_small_model(with_own_codec(tiny_model)).codec
    assert codec.decoder_dtype == (torch.bfloat16 if fast else torch.float32)
    latents = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact, pixels = tiny_model.codec.decode(latents), codec.decode(latents)
        assert torch.equal(codec.encode_image(exact[0]), tiny_model.codec.encode_image(exact[0]))
    assert np.abs(exact.astype(int) - pixels).max() <= (8 if fast else 0)


def test_model_is_loaded_and_reported_once(tiny_folder: Path) -> None:
    spec, heard = find(str(tiny_folder)), list[Event]()
    maker = model_loader(spec, "cpu", heard.append)()
    job = job_of(spec, steps=1)
    for _ in range(2):
        maker.generate(ShotRequest(job=job))
    maker.recall(job, {})
    assert [type(event) for event in heard] == [ModelLoading, ModelLoaded]


def test_selection_model_is_loaded_first(tiny_folder: Path) -> None:
    spec, heard = find(str(tiny_folder)), list[Event]()
    maker = model_loader(spec, "cpu", heard.append)()
    job = job_of(spec, steps=1)
    memory = {source: np.zeros((4, 2, 8, 8), np.float32) for source in job.memory.sources}
    maker.recall(job, memory)
    assert len(heard) == 2
    maker.generate(ShotRequest(job=job, memory=memory))
    assert [type(event) for event in heard] == 2 * [ModelLoading, ModelLoaded]
