"""Generate the films of a suite, render the true ones, and view both with the read-out.

Shape letters: B films, C latent channels, T latent frames, K selected frames, H W.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from onestory_cli.evaluation.drawing import Drawing
from onestory_cli.evaluation.embeddings import View
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.suites import BenchmarkFilm, BenchmarkSuite
from onestory_cli.evaluation.variants import Variant
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.rollout import RolloutConfig, RolloutFilm, roll_out
from onestory_cli.models.load import LoadedModel, is_fast_in_bfloat16
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import shown_before
from onestory_cli.storyworld.world import WorldConfig, WorldShot

CEILING = "ceiling"  # true films after the VAE: the best score that a transformer can reach

Progress = Callable[[str, int, int], None]  # name, films done, films in total
Positions = Sequence[Sequence[int]]  # per shot, the chosen bank positions in order of rank


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """Settings of generation that all variants share.

    batch: maximum number of films per group
    workers: number of groups at a time
    noise_seeds: number of films per story, with different noise
    """

    schedule: DenoiseConfig
    seed: int = 0
    noise_seeds: int = 1
    batch: int = 16
    workers: int = 1


@dataclass(frozen=True, kw_only=True)
class FilmGroup:
    """Films that one process generates at once; `start` is the index of the first one in its suite."""

    films: tuple[BenchmarkFilm, ...]
    start: int
    variant: Variant
    settings: BenchmarkSettings


@dataclass(frozen=True, kw_only=True)
class SeenFilms:
    """Views of films, one per shot, and the selections of every shot of each film."""

    views: tuple[tuple[View, ...], ...]
    selections: tuple[Positions, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Truth:
    """True films, by film and shot. views: after the VAE; drawings: as rendered."""

    views: tuple[tuple[View, ...], ...]
    drawings: tuple[tuple[Drawing, ...], ...]


GenerateGroups = Callable[
    [Sequence[FilmGroup]], Iterable[SeenFilms]
]  # generates groups of films, in this process or others, and yields them in order


def generate_films(
    see: GenerateGroups, suite: BenchmarkSuite, variant: Variant, settings: BenchmarkSettings, progress: Progress
) -> SeenFilms:
    """Generate films from the stories' captions and view them."""
    views: list[tuple[View, ...]] = []
    selections: list[Positions] = []
    for seen in see(split_into_groups(suite, variant, settings)):
        views += seen.views
        selections += seen.selections
        progress(variant.name, len(views), len(suite.films))
    return SeenFilms(views=tuple(views), selections=tuple(selections))


def split_into_groups(suite: BenchmarkSuite, variant: Variant, settings: BenchmarkSettings) -> tuple[FilmGroup, ...]:
    """Split the films of a suite into groups of nearly equal size, the same number for each worker."""
    films = len(suite.films)
    rounds = math.ceil(films / (settings.batch * settings.workers))
    size = math.ceil(films / (rounds * settings.workers))
    return tuple(
        FilmGroup(films=suite.films[start : start + size], start=start, variant=variant, settings=settings)
        for start in range(0, films, size)
    )


def generate_group(model: LoadedModel, readout: Readout, group: FilmGroup) -> SeenFilms:
    """Generate one group of films and view them."""
    chosen: list[Tensor] = []
    with reduced_precision(model):
        shots = [_see(model, readout, made) for made in _roll(model, group, chosen)]
    selections = tuple([shot[film].tolist() for shot in chosen] for film in range(len(group.films)))
    return SeenFilms(views=tuple(zip(*shots, strict=True)), selections=selections)


def _roll(model: LoadedModel, group: FilmGroup, chosen: list[Tensor]) -> Iterator[Tensor]:
    variant, settings = group.variant, group.settings
    films = [
        RolloutFilm(
            captions=[shot.caption for shot in film.story.shots],
            shown=[shown_before(film.story, shot) for shot in range(len(film.story.shots))],
            introduces=[any(shot.names_look) for shot in film.story.shots],
        )
        for film in group.films
    ]
    config = RolloutConfig(
        policy=variant.policy,
        denoise=replace(settings.schedule, memory_guidance=variant.guidance),
        frames=variant.frames,
        budget=variant.budget,
        seed=settings.seed + 1000 * group.start,  # the noise of a film must not depend on the batching
    )
    return roll_out(model, films, config, visible=group.films[0].visible, selections=chosen)


@torch.inference_mode()
def _see(model: LoadedModel, readout: Readout, latents_BCTHW: Tensor) -> list[View]:
    return readout.view(np.stack([model.codec.decode(latents) for latents in latents_BCTHW]))


@torch.inference_mode()
def view_true_films(
    model: LoadedModel, readout: Readout, suite: BenchmarkSuite, world: WorldConfig, progress: Progress
) -> Truth:
    """View the true films, as rendered and after the model's VAE has encoded and decoded them."""
    seen, drawings = [], []
    for done, film in enumerate(suite.films, start=1):
        views: dict[WorldShot, View] = {}  # the returns of a ladder are all the same shot
        true: dict[WorldShot, Drawing] = {}
        for shot in dict.fromkeys(film.story.shots):
            pixels = render_shot(shot, world).pixels_THWC
            true[shot] = readout.view(pixels[None])[0].drawing
            with reduced_precision(model):
                (views[shot],) = _see(model, readout, model.codec.encode_video(pixels[None]))
        seen.append(tuple(views[shot] for shot in film.story.shots))
        drawings.append(tuple(true[shot] for shot in film.story.shots))
        progress(CEILING, done, len(suite.films))
    return Truth(views=tuple(seen), drawings=tuple(drawings))


@contextmanager
def reduced_precision(model: LoadedModel) -> Iterator[None]:
    """Use bfloat16 if the device supports it. Rounding does not matter, because results average many films."""
    fast = is_fast_in_bfloat16(model.device)
    with warnings.catch_warnings(), torch.autocast(model.device.type, torch.bfloat16, enabled=fast):
        warnings.filterwarnings(
            "ignore", message="Mismatch dtype between input and weight"
        )  # from a norm, which is only slightly slower
        yield
