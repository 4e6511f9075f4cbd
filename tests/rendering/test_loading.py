"""Models are loaded lazily during a render; tested with a tiny one of the real classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onestory_cli.events import Event, ModelLoaded, ModelLoading
from onestory_cli.models.catalog import find
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.loading import model_loader
from tests.tiny import job_of, tiny_folder

__all__ = ["tiny_folder"]


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
