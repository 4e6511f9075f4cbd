"""Models are loaded lazily during a render; tested with a tiny one of the real classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.events import Event, ModelLoaded, ModelLoading
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.loading import limit_threads, model_loader
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


@pytest.mark.usefixtures("two_threads")
def test_small_model_computes_on_one_thread(tiny_model: LoadedModel) -> None:
    assert limit_threads(tiny_model) is tiny_model
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_large_model_uses_all_threads(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onestory_cli.rendering.loading.SMALL_MODEL", 1)
    limit_threads(tiny_model)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_chosen_number_of_threads_is_kept(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    limit_threads(tiny_model)
    assert torch.get_num_threads() == 2


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
