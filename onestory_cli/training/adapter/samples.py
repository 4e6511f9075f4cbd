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
from onestory_cli.generation.selection import Context, MemoryLimits, condition, empty_context, gather, select
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.model import frame_scores
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.source import Clip, shot_at
from onestory_cli.training.adapter.triples import Shots
from onestory_cli.training.samples import save_grid


@torch.no_grad()
def sample_rows(
    model: AdapterModel, shots: Shots, schedule: DenoiseConfig, *, videos: int = 4
) -> tuple[NDArray[np.uint8], str]:
    """Return a picture (H, W, 3) and the captions of its rows.

    Each row is a video: the two shots before its last one, the last shot as generated, and the real last shot.
    """
    rows, captions = [], []
    for video, items in enumerate(shots.keys.source.videos[:videos]):
        last = len(items) - 1
        true = [shots.cache[shots.keys.latents((video, index, 0))].float() for index in range(last + 1)]
        made = _make(model, shots, true, (video, last, 0), schedule)
        shown = [true[max(0, last - 2)], true[last - 1], made, true[last]]
        rows.append(np.concatenate([_middle(model, latents) for latents in shown], axis=1))
        captions.append(items[last].caption)
    return np.concatenate(rows), "\n".join(captions) + "\n"


def save_samples(path: Path, picture_HWC: NDArray[np.uint8], captions: str) -> None:
    """Write a PNG, and the captions to a text file with the same name."""
    save_grid(path, picture_HWC, scale=1)
    path.with_suffix(".txt").write_text(captions, encoding="utf-8")


def _make(model: AdapterModel, shots: Shots, true: list[Tensor], clip: Clip, schedule: DenoiseConfig) -> Tensor:
    """Generate latents like the last of `true`, (C, T, H, W), from the caption of that clip and the latents before."""
    shot = shot_at(shots.keys.source, clip)
    text, empty = (shots.text(words)[None].to(model.device) for words in (shot.caption, ""))
    context = empty_context(model.denoiser, 1)
    if model.frame_selector is not None:
        context = _remembered(model, model.frame_selector, true[:-1], text)
    # a base that was never trained to start from its caption alone needs the true first frame
    first = shots.first_frames([shot.frames if model.spec.from_text else clip])
    first = {name: value.to(model.device) for name, value in first.items()}
    conditions = Conditions(
        prompt_embeds_BLE=text,
        negative_prompt_embeds_BLE=empty,
        context_BSD=context.tokens_BSD,
        context_rope=context.rope,
        concat_latents_BCTHW=first.get("channels_BRTHW"),
        image_embeds_BIV=first.get("image_BIV"),
    )
    noise = prepare_latents((1, *true[-1].shape), seed=0)
    return denoise(model.denoiser, noise, conditions, schedule)[0].cpu()


def _remembered(model: AdapterModel, selector: FrameSelector, before: list[Tensor], text_BLE: Tensor) -> Context:
    """Context tokens of the frames that the selector chooses from earlier shots."""
    spec = model.spec
    channels, _, height, width = before[0].shape
    bank = MemoryBank(channels=channels, height=height, width=width)
    for index, latents_CTHW in enumerate(before):
        bank.add(str(index), latents_CTHW)
    memory = bank.frames_FCHW[None].to(model.device)
    scores = frame_scores(selector, memory, bank.ages_F, bank.times_F, text_BLE)
    limits = MemoryLimits(frames=spec.memory_frames, budget=spec.budget, levels=spec.levels, size=(height, width))
    selected = select("adaptive", scores, bank.refs, limits)
    return condition(model.denoiser, gather(memory, selected.positions_BK), selected.levels)


def _middle(model: AdapterModel, latents_CTHW: Tensor) -> NDArray[np.uint8]:
    """(H, W, 3): the middle latent frame, decoded as a single image."""
    half = latents_CTHW.shape[1] // 2
    return model.codec.decode(latents_CTHW[:, half : half + 1])[0]
