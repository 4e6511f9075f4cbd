"""The tiny model, and training data encoded with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from onestory_cli.events import ignore
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.data import LatentData, PixelData
from onestory_cli.training.recipe import StoryData, world_config
from tests.tiny import tiny_folder, tiny_model, tiny_recipe

__all__ = ["tiny_folder", "tiny_model"]

DATA = StoryData(stories=4, vae_stories=2, shots=4, seed=20)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def pixels(cache: Path) -> PixelData:
    """Eight clips of two stories."""
    return PixelData(cache, config=world_config(tiny_recipe().world), data=DATA, emit=ignore)


@pytest.fixture(scope="session")
def latents(cache: Path, tiny_model: LoadedModel) -> LatentData:
    """Four stories of four shots of two latent frames."""
    config = world_config(tiny_recipe().world)
    with torch.no_grad():
        return LatentData(
            cache / "latents.safetensors", config=config, data=DATA, encode=tiny_model.codec.encode_video, emit=ignore
        )
