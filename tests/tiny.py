"""A tiny model folder of the real classes with random weights, and jobs for it. Needs torch.

The fixtures have session scope; a `conftest.py` imports them from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from onestory_cli.models.catalog import ModelSpec, find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.planning.jobs import MemoryJob, Seed, ShotJob, Tokens
from onestory_cli.storyworld.vocabulary import WORDS
from onestory_cli.training.build import build_model, save_model
from onestory_cli.training.recipe import (
    MemorySettings,
    ModelRecipe,
    Recipe,
    Sampling,
    Stage,
    StoryData,
    TextSize,
    TransformerSize,
    VaeSize,
    WorldSubset,
)
from tests.shared import build_once

SIZES = ModelRecipe(
    name="tiny",
    vae=VaeSize(base_dim=8, latent_channels=4),
    transformer=TransformerSize(width=32, heads=2, layers=2, feed_forward=2),
    text=TextSize(width=16, heads=2, layers=1, tokens=24),
    memory=MemorySettings(frames=3, budget=2.0, selector_width=16, queries=2),
    sampling=Sampling(steps=2, guidance=2.0, shift=2.0, scale=2),
)


def tiny_recipe(*stages: Stage, **fields: Any) -> Recipe:
    """Two latent frames of 8 x 8 cells a shot, three shots a story, float32."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "model": SIZES,
        "world": WorldSubset(size=64, frames=5),
        "data": StoryData(stories=3, vae_stories=2, shots=3),
        "dtype": "float32",
        "compile": False,
        "log_every": 1,
    }
    return Recipe(**{**settings, "stages": stages, **fields})


def tiny_built() -> LoadedModel:
    """A new model whose output depends on every input, unlike a freshly initialized one."""
    model = build_model(tiny_recipe(), WORDS)
    with torch.no_grad():
        nn.init.normal_(model.transformer.proj_out.weight, std=0.2)
        for conv in model.conditioner.patchifiers.values():
            conv.weight.mul_(3)
    channels = SIZES.vae.latent_channels
    model.codec.vae.register_to_config(latents_mean=[0.1] * channels, latents_std=[0.5] * channels)
    return model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder. Read-only: it is shared by all workers."""
    return build_once(tmp_path_factory, "tiny-model", lambda folder: save_model(tiny_built(), folder))


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> LoadedModel:
    """The model of `tiny_folder`, loaded. Do not modify it."""
    return load_model(find(str(tiny_folder)), "cpu")


def job_of(spec: ModelSpec, **fields: Any) -> ShotJob:
    """A job with the model's default sizes."""
    settings: dict[str, Any] = {
        "index": 1,
        "shot": "return",
        "caption": "The same fox waves on the beach. Close-up.",
        "negative": spec.negative,
        "frames": spec.frames,
        "width": spec.width,
        "height": spec.height,
        "fps": spec.fps,
        "seed": 5,
        "seed_rule": Seed(base=5, given=True),
        "steps": spec.steps,
        "guidance": spec.guidance,
        "scheduler": spec.scheduler,
        "shift": spec.shift,
        "image": None,
        "memory": MemoryJob(frames=spec.memory_frames, budget=spec.budget, policy=spec.policy, sources=()),
        "tokens": Tokens(noise=0, context=0, per_frame=spec.tokens_per_frame(spec.width, spec.height)),
    }
    return ShotJob(**{**settings, **fields})
