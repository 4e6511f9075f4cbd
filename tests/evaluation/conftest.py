"""A small model of the real classes with random weights, which renders films in a second, and the real read-out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from onestory_cli.evaluation.drawing import Drawing
from onestory_cli.evaluation.embeddings import Reading, View
from onestory_cli.evaluation.readout import Readout, load_readout
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.visibility import side
from onestory_cli.storyworld.vocabulary import COLOURS, SPECIES, WORDS
from onestory_cli.storyworld.world import CharacterLook, WorldConfig, WorldShot
from onestory_cli.training.build import build_model
from onestory_cli.training.recipe import (
    MemorySettings,
    ModelRecipe,
    Recipe,
    StoryData,
    TextSize,
    TransformerSize,
    VaeSize,
    WorldSubset,
)

WORLD = WorldConfig(species=("fox", "bear", "ghost"), colours=("red", "green", "blue"), frames=5)


@pytest.fixture(scope="session")
def model() -> LoadedModel:
    recipe = Recipe(
        name="tiny",
        model=ModelRecipe(
            name="tiny",
            vae=VaeSize(base_dim=8),
            transformer=TransformerSize(width=48, heads=2, layers=1),
            text=TextSize(width=32, heads=2, layers=1),
            memory=MemorySettings(selector_width=32, queries=2),
        ),
        data=StoryData(stories=1, vae_stories=1),
        stages=(),
        world=WorldSubset(species=WORLD.species, colours=WORLD.colours, frames=WORLD.frames),
    )
    made = build_model(recipe, WORDS)
    for part in made.modules:
        part.eval().requires_grad_(False)
    return made


@pytest.fixture
def lively(model: LoadedModel) -> Iterator[LoadedModel]:
    """The model with a last layer that is not zero, which untrained weights have."""
    last = model.transformer.proj_out.weight
    before = last.clone()
    torch.nn.init.normal_(last)
    yield model
    last.copy_(before)


@pytest.fixture(scope="session")
def readout() -> Readout:
    return load_readout()


def perfect(shot: WorldShot) -> Reading:
    """The reading of a perfect read-out; absent species have a look that does not occur in the world."""
    looks = {species: CharacterLook(species=species, colour=list(COLOURS)[-1]) for species in SPECIES}
    looks |= {actor.look.species: actor.look for actor in shot.actors}
    return Reading(
        present={species: float(species in {actor.look.species for actor in shot.actors}) for species in SPECIES},
        looks=looks,
        setting=shot.place.setting,
        accent_colour=shot.place.accent_colour,
        accent_side=side(shot.place.accent_x),
        sun_side=side(shot.place.sun_x),
    )


_ONES = np.ones(2, np.float32)
DRAWING = Drawing(energy_R=_ONES, features_RD=np.ones((2, 2), np.float32), eyes_R=_ONES)


def viewed(shot: WorldShot, *, motion: float = 0.0) -> View:
    """The view of a perfect read-out: equal looks and places have equal embeddings, others are orthogonal."""
    return View(
        reading=perfect(shot),
        characters={actor.look.species: _axis(repr(actor.look)) for actor in shot.actors},
        place=_axis(repr(shot.place)),
        subject=1.0 if shot.actors else None,
        background=1.0,
        motion=motion,
        colour=(0.5, 0.5, 0.5),
        drawing=DRAWING,
    )


def _axis(name: str) -> np.ndarray:
    return np.eye(64, dtype=np.float32)[zlib.crc32(name.encode()) % 64]
