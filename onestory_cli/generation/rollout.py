"""Generate many films at once, shot by shot, each from its own memory.

For benchmarks and sample grids only: a batch rounds differently than the batches of one that a film uses.

Shape letters: B films, F bank frames, C latent channels, T latent frames, H W latent cells, L text tokens, E text
width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.selection import MemoryLimits, Selection, condition, gather, select
from onestory_cli.memory.policies import FrameRef, ShownSources
from onestory_cli.models.model import Denoiser, LoadedModel, frame_scores


@dataclass(frozen=True, kw_only=True)
class RolloutFilm:
    """The shots of one film.

    `shown` has, for each shot, the shots ("0", "1", ...) that show each name of its caption; only the policy "coverage"
    reads it. `introduces` says which captions write out a character's look; as in a render, such shots have no memory
    guidance. Both may be empty.
    """

    captions: Sequence[str]
    shown: Sequence[ShownSources] = ()
    introduces: Sequence[bool] = ()


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """How all films are generated; `frames` and `budget` None are the model's. Film k, shot i has noise seed
    `seed` + 1000 k + i."""

    policy: str
    denoise: DenoiseConfig
    frames: int | None = None
    budget: float | None = None
    seed: int = 0


@torch.inference_mode()
def roll_out(
    model: LoadedModel,
    films: Sequence[RolloutFilm],
    config: RolloutConfig,
    *,
    visible: Sequence[Sequence[int]] | None = None,
    selections: list[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yield the latents (B, C, T, H, W) of shot 1, 2, ... of all films; each film reads its own generated shots.

    Args:
        films: all with the same number of shots.
        visible: for each shot, the earlier shots that it may remember, in order; None is all of them.
        selections: if given, the selected bank positions (B, K) of each shot are appended.
    """
    spec, count = model.spec, len(films)
    height, width = spec.latent_size(spec.width, spec.height)
    shape = (1, spec.latent_channels, spec.latent_frames(spec.frames), height, width)
    empty = torch.zeros(count, 0, spec.latent_channels, height, width, device=model.device)
    done: list[Tensor] = []
    negative = model.text.encode([spec.negative] * count)
    for index in range(len(films[0].captions)):
        shots = range(index) if visible is None else visible[index]
        memory = torch.cat([empty, *(done[shot] for shot in shots)], dim=1)
        embeds = model.text.encode([film.captions[index] for film in films])
        shown = [film.shown[index] for film in films if film.shown]
        selected = _select(model, config, memory, shots, embeds, shown)
        context = condition(model.denoiser, gather(memory, selected.positions_BK), selected.levels)
        if selections is not None:
            selections.append(selected.positions_BK)
        seeds = [config.seed + 1000 * film + index for film in range(count)]
        noise = torch.cat([prepare_latents(shape, seed=seed) for seed in seeds])
        conditions = Conditions(
            prompt_embeds_BLE=embeds,
            negative_prompt_embeds_BLE=negative,
            context_BSD=context.tokens_BSD,
            context_rope=context.rope,
        )
        unguided = torch.tensor([bool(film.introduces) and film.introduces[index] for film in films])
        latents = _denoise(model.denoiser, noise, conditions, config.denoise, unguided, seeds)
        done.append(latents.transpose(1, 2))
        yield latents


def _select(
    model: LoadedModel,
    config: RolloutConfig,
    memory_BFCHW: Tensor,
    shots: Sequence[int],
    embeds_BLE: Tensor,
    shown_B: Sequence[ShownSources],
) -> Selection:
    """What each film remembers of its generated `shots`."""
    spec = model.spec
    length = spec.latent_frames(spec.frames)
    refs = [FrameRef(str(shot), frame) for shot in shots for frame in range(length)]
    ages = torch.arange(len(shots), 0, -1).repeat_interleave(length)
    times = torch.tensor([ref.index for ref in refs], dtype=torch.long)
    scores_BF = frame_scores(model.selector, memory_BFCHW, ages, times, embeds_BLE)
    limits = MemoryLimits(
        frames=spec.memory_frames if config.frames is None else config.frames,
        budget=spec.budget if config.budget is None else config.budget,
        levels=spec.levels,
        size=(memory_BFCHW.shape[-2], memory_BFCHW.shape[-1]),
    )
    return select(config.policy, scores_BF, refs, limits, shown_B)


def _denoise(
    denoiser: Denoiser,
    noise_BCTHW: Tensor,
    conditions: Conditions,
    config: DenoiseConfig,
    unguided_B: Tensor,
    seeds: Sequence[int],
) -> Tensor:
    """Clean latents (B, C, T, H, W), without memory guidance in the rows of `unguided_B`."""
    if not config.memory_guidance or not unguided_B.any():
        return denoise(denoiser, noise_BCTHW, conditions, config, seeds=seeds)
    latents = torch.empty_like(noise_BCTHW, device=denoiser.device)
    for rows, guidance in ((unguided_B, 0.0), (~unguided_B, config.memory_guidance)):
        if rows.any():
            part = replace(
                conditions,
                prompt_embeds_BLE=conditions.prompt_embeds_BLE[rows],
                negative_prompt_embeds_BLE=conditions.negative_prompt_embeds_BLE[rows],
                context_BSD=conditions.context_BSD[rows],
            )
            own = [seed for seed, row in zip(seeds, rows.tolist(), strict=True) if row]
            schedule = replace(config, memory_guidance=guidance)
            latents[rows] = denoise(denoiser, noise_BCTHW[rows], part, schedule, seeds=own)
    return latents
