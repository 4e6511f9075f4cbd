"""Sample grids of an adapter: shots generated from a caption and real earlier shots, next to the real shot.

Shape letters: B batch (1), F memory frames, C latent channels, T latent frames, H W.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.selection import MemoryLimits, condition, gather, select
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.model import frame_scores
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.source import SourceShot
from onestory_cli.training.adapter.triples import Shots
from onestory_cli.training.samples import save_grid


@torch.no_grad()
def sample_rows(model: AdapterModel, shots: Shots, *, steps: int, videos: int = 4) -> tuple[NDArray[np.uint8], str]:
    """Return a picture (H, W, 3) and the captions of its rows.

    Each row is a video: the two shots before its last one, the last shot as generated, and the real last shot.
    """
    rows, captions = [], []
    for video, items in enumerate(shots.keys.source.videos[:videos]):
        last = len(items) - 1
        true = [shots.cache[shots.keys.latents((video, index, 0))].float() for index in range(last + 1)]
        made = _make(model, shots, true, items[last], steps=steps)
        shown = [true[max(0, last - 2)], true[last - 1], made, true[last]]
        rows.append(np.concatenate([_middle(model, latents) for latents in shown], axis=1))
        captions.append(items[last].caption)
    return np.concatenate(rows), "\n".join(captions) + "\n"


def save_samples(path: Path, picture_HWC: NDArray[np.uint8], captions: str) -> None:
    """Write a PNG, and the captions to a text file with the same name."""
    save_grid(path, picture_HWC, scale=1)
    path.with_suffix(".txt").write_text(captions, encoding="utf-8")


def _make(model: AdapterModel, shots: Shots, true: list[Tensor], shot: SourceShot, *, steps: int) -> Tensor:
    """Generate latents like the last of `true`, (C, T, H, W), from the caption of that shot and the latents before."""
    spec, before, target = model.spec, true[:-1], true[-1]
    channels, _, height, width = before[0].shape
    bank = MemoryBank(channels=channels, height=height, width=width)
    for index, latents_CTHW in enumerate(before):
        bank.add(str(index), latents_CTHW)
    text, empty = (shots.text(words)[None].to(model.device) for words in (shot.caption, ""))
    memory = bank.frames_FCHW[None].to(model.device)
    scores = frame_scores(model.selector, memory, bank.ages_F, bank.times_F, text)
    limits = MemoryLimits(frames=spec.memory_frames, budget=spec.budget, levels=spec.levels, size=(height, width))
    selected = select("adaptive", scores, bank.refs, limits)
    context = condition(model.denoiser, gather(memory, selected.positions_BK), selected.levels)
    first = {name: value.to(model.device) for name, value in shots.first_frames([shot.frames]).items()}
    conditions = Conditions(
        prompt_embeds_BLE=text,
        negative_prompt_embeds_BLE=empty,
        context_BSD=context.tokens_BSD,
        context_rope=context.rope,
        concat_latents_BCTHW=first.get("channels_BRTHW"),
        image_embeds_BIV=first.get("image_BIV"),
    )
    schedule = DenoiseConfig.of_model(spec, steps=steps)
    noise = prepare_latents((1, *target.shape), seed=0)
    return denoise(model.denoiser, noise, conditions, schedule)[0].cpu()


def _middle(model: AdapterModel, latents_CTHW: Tensor) -> NDArray[np.uint8]:
    """(H, W, 3): the middle latent frame, decoded as a single image."""
    half = latents_CTHW.shape[1] // 2
    return model.codec.decode(latents_CTHW[:, half : half + 1])[0]
