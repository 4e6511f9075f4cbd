"""Films from the model in training: grids, which show problems earlier than losses do, and latents to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from onestory_cli.events import DataPrepared, Emit
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.rollout import RolloutConfig, RolloutFilm, roll_out
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig, WorldStory
from onestory_cli.training.data import PixelData
from onestory_cli.training.recipe import StoryData

FILMS_AT_ONCE = 10


@torch.no_grad()
def draw_reconstructions(model: LoadedModel, data: PixelData, path: Path, *, clips: int = 6) -> None:
    """Write rows of real frames above their VAE reconstructions: every fourth frame of some clips."""
    rows = []
    for clip in np.linspace(0, len(data.pixels) - 1, clips).astype(int):
        pixels = np.array(data.pixels[clip])
        with eval_mode(model):
            decoded = model.codec.decode(model.codec.encode_video(pixels[None])[0])
        rows += [np.concatenate([*clip_PHWC[::4]], axis=1) for clip_PHWC in (pixels, decoded)]
    save_grid(path, np.concatenate(rows))


@torch.no_grad()
def draw_samples(model: LoadedModel, config: WorldConfig, path: Path, *, stories: int = 6) -> None:
    """Write a row per held-out story: the middle frame of every shot, generated from the shots before it."""
    films = [make_story(HELD_OUT + index, config) for index in range(stories)]
    captions = [[shot.caption for shot in film.shots] for film in films]
    with eval_mode(model):
        shots = list(_roll_out(model, films))
        columns = [[middle_frame(model.codec.decode(latents)) for latents in shot] for shot in shots]
    save_grid(path, np.concatenate([np.concatenate(column) for column in columns], axis=1))
    path.with_suffix(".txt").write_text("\n".join(" | ".join(row) for row in captions) + "\n", encoding="utf-8")


@torch.no_grad()
def generate_latents(model: LoadedModel, config: WorldConfig, data: StoryData, emit: Emit) -> Tensor:
    """Latents (shots, C, T, H, W) of all shots of generated films of the stories, as the VAE's decoder reads them."""
    films = [make_story(data.seed + index, config, shots=data.shots) for index in range(data.stories)]
    generated: list[Tensor] = []
    with eval_mode(model):
        for first in range(0, len(films), FILMS_AT_ONCE):
            generated += _roll_out(model, films[first : first + FILMS_AT_ONCE])
            emit(DataPrepared(what="films", done=min(first + FILMS_AT_ONCE, len(films)), total=len(films)))
    return model.codec.denormalized(torch.cat(generated)).cpu()


def _roll_out(model: LoadedModel, films: Sequence[WorldStory]) -> Iterator[Tensor]:
    """Yield the latents (films, C, T, H, W) of shot 1, 2, ... of all films."""
    scripts = [
        RolloutFilm(
            captions=[shot.caption for shot in film.shots], introduces=[any(shot.names_look) for shot in film.shots]
        )
        for film in films
    ]
    sampling = DenoiseConfig.of_model(model.spec, steps=min(12, model.spec.steps))
    return roll_out(model, scripts, RolloutConfig(policy="adaptive", denoise=sampling))


@contextmanager
def eval_mode(model: LoadedModel) -> Iterator[None]:
    """Put all parts into evaluation mode inside, and restore their modes afterwards."""
    parts = model.modules
    modes = [part.training for part in parts]
    for part in parts:
        part.eval()
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.train(mode)


def middle_frame(pixels_PHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3): the middle frame of a shot."""
    return pixels_PHWC[len(pixels_PHWC) // 2]


def save_grid(path: Path, pixels_HWC: NDArray[np.uint8], *, scale: int = 2) -> None:
    """Write a PNG, enlarged `scale` times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels_HWC)
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path)
