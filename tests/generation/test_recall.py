"""`recall` with the selection model alone gives the selection that the generated shot uses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onestory_cli.generation.selection import recall
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_selection_model
from onestory_cli.planning.jobs import Appearances
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.model_generator import ModelGenerator
from tests.tiny import job_of

COVERAGE: dict[str, Any] = {"policy": "coverage", "frames": 1, "shown": (Appearances(id="fox", sources=("opening",)),)}


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path) -> Path:
    """The tiny model without transformer and VAE."""
    shutil.copytree(tiny_folder, tmp_path / "model")
    for part in ("transformer", "vae"):
        shutil.rmtree(tmp_path / "model" / part)
    return tmp_path / "model"


@pytest.mark.parametrize("fields", [{}, {"frames": 2}, {"policy": "recent"}, {"budget": 0.13}, COVERAGE])
def test_recall_equals_the_selection_of_the_shot_without_transformer_and_vae(
    tiny_model: LoadedModel, folder: Path, fields: dict[str, Any]
) -> None:
    job = job_of(tiny_model.spec, steps=1)
    job = replace(job, memory=replace(job.memory, **fields))
    rng = np.random.default_rng(0)
    memory = {name: rng.normal(size=(4, 2, 8, 8)).astype(np.float32) for name in ("opening", "city")}
    spec = find(str(folder))
    maker = ModelGenerator(spec, lambda: load_selection_model(spec, "cpu"), lambda selection: tiny_model)
    recalled = maker.recall(job, memory)
    made = maker.generate(ShotRequest(job=job, memory=memory))
    assert recalled.selection == made.selection
    assert recalled.scores == made.scores
    assert recalled.context_tokens == made.context_tokens > 0


@pytest.mark.parametrize("source", ["opening", "city"])
def test_coverage_recalls_a_source_that_shows_the_named_character(tiny_model: LoadedModel, source: str) -> None:
    job = job_of(tiny_model.spec)
    shown = (Appearances(id="fox", sources=(source,)),)
    job = replace(job, memory=replace(job.memory, policy="coverage", frames=1, shown=shown))
    bank = MemoryBank(channels=4, height=8, width=8)
    for name in ("opening", "city"):
        bank.add(name, torch.full((4, 2, 8, 8), float(len(name))))
    assert [frame.source for frame in recall(tiny_model.selection, job, bank).selection] == [source]
