"""Many films at once, shot by shot, each from its own memory.

For benchmarks and sample grids, not for films: a batch rounds otherwise than a batch of one.

Shape letters: B films, F bank frames, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from onestory_cli.generate.denoise import Conditions, Schedule, denoise, starting_noise
from onestory_cli.generate.remember import choose, condition, gather, score
from onestory_cli.memory.policies import FrameRef
from onestory_cli.models.load import LoadedModel


@torch.inference_mode()
def roll_out(
    model: LoadedModel,
    captions: Sequence[Sequence[str]],
    *,
    policy: str,
    schedule: Schedule,
    frames: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    selections: list[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Yield the latents (B, C, T, H, W) of shot 1, 2, ... of all films, every shot made from its own film's made shots.

    Args:
        captions: one list of captions per film, all of the same length.
        frames, budget: memory settings; None takes the model's.
        selections: the selected bank positions (B, K) of each shot are appended, if given.
    """
    spec = model.spec
    height, width = spec.latent_size(spec.width, spec.height)
    shape = (spec.latent_channels, spec.latent_frames(spec.frames), height, width)
    memory = torch.zeros(len(captions), 0, spec.latent_channels, height, width, device=model.device)
    negative = model.encode_text([spec.negative] * len(captions))
    for index in range(len(captions[0])):
        refs = [FrameRef(str(shot), frame) for shot in range(index) for frame in range(shape[1])]
        ages = torch.tensor([index - int(ref.source) for ref in refs], dtype=torch.long)
        times = torch.tensor([ref.index for ref in refs], dtype=torch.long)
        text = model.encode_text([film[index] for film in captions])
        scores = score(model, memory, ages, times, text)
        chosen = choose(policy, scores, refs, spec.memory_frames if frames is None else frames)
        context = condition(model, gather(memory, chosen), budget=spec.budget if budget is None else budget)
        if selections is not None:
            selections.append(chosen)
        noise = torch.cat(
            [starting_noise((1, *shape), seed=seed + 1000 * film + index) for film in range(len(captions))]
        )
        conditions = Conditions(
            text_BLE=text, negative_BLE=negative, context_BSD=context.tokens_BSD, rotary=context.rotary
        )
        latents = denoise(model, noise, conditions, schedule)
        memory = torch.cat([memory, latents.transpose(1, 2)], dim=1)
        yield latents
