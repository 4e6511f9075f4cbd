"""Many films at once, shot by shot, each from its own memory.

For benchmarks and sample grids, not for films: a batch rounds otherwise than a batch of one.

Shape letters: B films, F bank frames, C latent channels, T latent frames, H W latent cells, L text tokens, E text
width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from onestory_cli.generate.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generate.selection import Selection, condition, gather, score, select
from onestory_cli.memory.frames import FrameRef
from onestory_cli.memory.policies import ShownSources
from onestory_cli.models.model import LoadedModel


@torch.inference_mode()
def roll_out(
    model: LoadedModel,
    captions: Sequence[Sequence[str]],
    *,
    policy: str,
    schedule: DenoiseConfig,
    frames: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    visible: Sequence[Sequence[int]] | None = None,
    shown: Sequence[Sequence[ShownSources]] = (),
    introduces: Sequence[Sequence[bool]] = (),
    selections: list[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yield the latents (B, C, T, H, W) of shot 1, 2, ... of all films, every shot made from its own film's made shots.

    Args:
        captions: one list of captions per film, all of the same length.
        frames, budget: memory settings; None takes the model's.
        visible: per shot, the earlier shots that it may remember, in order; None is all of them.
        shown: per film, for each shot, what its caption names, each as the shots that show it: "0", "1", ...; only the
            policy "coverage" asks.
        introduces: per film, whether each shot's caption writes out a character's look; as in films, the memory does
            not guide those.
        selections: the selected bank positions (B, K) of each shot are appended, if given.
    """
    spec = model.spec
    height, width = spec.latent_size(spec.width, spec.height)
    shape = (spec.latent_channels, spec.latent_frames(spec.frames), height, width)
    nothing = torch.zeros(len(captions), 0, spec.latent_channels, height, width, device=model.device)
    made: list[Tensor] = []
    negative = model.encode_text([spec.negative] * len(captions))
    for index in range(len(captions[0])):
        shots = range(index) if visible is None else visible[index]
        memory = torch.cat([nothing, *(made[shot] for shot in shots)], dim=1)
        text = model.encode_text([film[index] for film in captions])
        choice = _choose(
            model, memory, shots, text, policy, frames=frames, budget=budget, shown_B=[film[index] for film in shown]
        )
        context = condition(model, gather(memory, choice.positions_BK), choice.levels)
        if selections is not None:
            selections.append(choice.positions_BK)
        noise = torch.cat(
            [prepare_latents((1, *shape), seed=seed + 1000 * film + index) for film in range(len(captions))]
        )
        conditions = Conditions(
            text_BLE=text, negative_BLE=negative, context_BSD=context.tokens_BSD, rotary=context.rotary
        )
        alone = torch.tensor([film[index] for film in introduces] or [False] * len(captions))
        latents = _denoise(model, noise, conditions, schedule, alone)
        made.append(latents.transpose(1, 2))
        yield latents


def _choose(
    model: LoadedModel,
    memory_BFCHW: Tensor,
    shots: Sequence[int],
    text_BLE: Tensor,
    policy: str,
    *,
    frames: int | None,
    budget: float | None,
    shown_B: Sequence[ShownSources],
) -> Selection:
    """What each film remembers of its made `shots`."""
    spec = model.spec
    length = spec.latent_frames(spec.frames)
    refs = [FrameRef(str(shot), frame) for shot in shots for frame in range(length)]
    ages = torch.arange(len(shots), 0, -1).repeat_interleave(length)
    times = torch.tensor([ref.index for ref in refs], dtype=torch.long)
    return select(
        model,
        policy,
        score(model, memory_BFCHW, ages, times, text_BLE),
        refs,
        frames=spec.memory_frames if frames is None else frames,
        budget=spec.budget if budget is None else budget,
        size=(memory_BFCHW.shape[-2], memory_BFCHW.shape[-1]),
        shown_B=shown_B,
    )


def _denoise(
    model: LoadedModel, noise_BCTHW: Tensor, conditions: Conditions, schedule: DenoiseConfig, alone_B: Tensor
) -> Tensor:
    """Clean latents (B, C, T, H, W), without guidance of the memory in the rows of `alone_B`."""
    if not schedule.memory_guidance or not alone_B.any():
        return denoise(model, noise_BCTHW, conditions, schedule)
    latents = torch.empty_like(noise_BCTHW, device=model.device)
    for rows, guidance in ((alone_B, 0.0), (~alone_B, schedule.memory_guidance)):
        if rows.any():
            part = replace(
                conditions,
                text_BLE=conditions.text_BLE[rows],
                negative_BLE=conditions.negative_BLE[rows],
                context_BSD=conditions.context_BSD[rows],
            )
            latents[rows] = denoise(model, noise_BCTHW[rows], part, replace(schedule, memory_guidance=guidance))
    return latents
