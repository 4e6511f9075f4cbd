"""What a shot is made from beside noise: caption, selected frames and first picture, in the ways that its base reads.

An adapter makes context tokens of the selected frames. A stock base takes them as reference images before the video
(VACE), or the most relevant one as the shot's first frame (image to video), or not at all.

Shape letters: B batch (1), K selected frames, C latent channels, T latent frames, P pixel frames, H W pixels or latent
cells, R mask channels of one latent cell, I image tokens, V image width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from onestory_cli.generate.denoise import Conditions
from onestory_cli.generate.recall import RecallResult
from onestory_cli.generate.selection import condition, gather
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.transformer import rotary_embedding
from onestory_cli.planning.jobs import ShotJob


class Size(Protocol):
    """Of a shot, in pixel frames and pixels."""

    @property
    def frames(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@torch.inference_mode()
def conditions_of(
    model: LoadedModel,
    job: ShotJob,
    bank: MemoryBank,
    recalled: RecallResult,
    *,
    text_BLE: Tensor,
    image: NDArray[np.uint8] | None,
) -> Conditions:
    """All conditions of a shot. `image` (H, W, 3) is its own first picture, if it has one."""
    conditions = Conditions(
        text_BLE=text_BLE,
        negative_BLE=model.read(job.negative),
        context_BSD=torch.zeros(1, 0, 1),
        rotary=rotary_embedding(torch.zeros(0, 3), head_dim=model.transformer.config.attention_head_dim),
    )
    remembered: list[NDArray[np.uint8]] = []
    if model.spec.remembers == "context":
        conditions = _with_context(model, bank, recalled, conditions)
    else:
        remembered = pictures_of(model, bank, recalled)
    if image is None and model.spec.remembers == "first-frame" and remembered:
        image = remembered[0]
    first = FIRST_FRAMES[model.spec.first_frame](model, job, image, remembered)
    return replace(conditions, **first)


def pictures_of(model: LoadedModel, bank: MemoryBank, recalled: RecallResult) -> list[NDArray[np.uint8]]:
    """The selected frames as pictures (H, W, 3), the most relevant first; each source is decoded once, as far as it is
    needed."""
    lengths: dict[str, int] = {}
    for frame in recalled.selection:
        lengths[frame.source] = max(frame.index + 1, lengths.get(frame.source, 0))
    pictures = {source: model.pictures(bank.latents(source), length) for source, length in lengths.items()}
    return [pictures[frame.source][frame.index] for frame in recalled.selection]


def _with_context(model: LoadedModel, bank: MemoryBank, recalled: RecallResult, conditions: Conditions) -> Conditions:
    """Context tokens of the selected frames, in the language of each expert (OneStory Eq. 7)."""
    choice = recalled.choice
    selected = gather(bank.frames_FCHW[None].to(model.device), choice.positions_BK)
    contexts = [condition(model, selected, choice.levels, expert=number) for number in range(model.spec.experts)]
    return replace(
        conditions,
        context_BSD=contexts[0].tokens_BSD,
        rotary=contexts[0].rotary,
        context_2_BSD=contexts[1].tokens_BSD if len(contexts) > 1 else None,
    )


def _held(
    model: LoadedModel, job: Size, image: NDArray[np.uint8] | None, _references: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """The picture is the first latent frame, at time 0."""
    return {} if image is None else {"first_BCHW": model.encode_image(image)[:, 0][None]}


def _channels(
    model: LoadedModel, job: Size, image: NDArray[np.uint8] | None, _references: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """A mask and the latents of a video that has the picture and then grey, beside the noise; and CLIP's view of it.

    As `WanImageToVideoPipeline.prepare_latents` does it. Without a picture all is grey and the mask is empty: no stock
    base was trained on that, an adapter may be.
    """
    stride = model.spec.temporal_stride
    video_BCPHW = _video(job, image)
    mask_PHW = torch.zeros(job.frames, *model.spec.latent_size(job.width, job.height))
    mask_PHW[0] = float(image is not None)
    # the first pixel frame alone fills the first latent frame, so it counts once for each of its channels
    mask_TRHW = torch.cat([mask_PHW[:1].expand(stride, -1, -1), mask_PHW[1:]]).unflatten(0, (-1, stride))
    latents_BCTHW = model.encode_values(video_BCPHW)
    fields = {"channels_BCTHW": torch.cat([mask_TRHW.transpose(0, 1)[None].to(latents_BCTHW), latents_BCTHW], dim=1)}
    if model.spec.image_tokens:
        seen = np.full((job.height, job.width, 3), 128, np.uint8) if image is None else image
        fields["image_BIV"] = model.image_tokens(seen)
    return fields


def _control(
    model: LoadedModel, job: Size, image: NDArray[np.uint8] | None, references: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """VACE's control: what is given and what is free of the video, and reference images before it.

    As `WanVACEPipeline` does it, which puts each reference before the last: the most relevant one is next to the video.
    """
    video_BCPHW = _video(job, image)
    free_BCPHW = torch.ones_like(video_BCPHW)
    free_BCPHW[:, :, 0] = float(image is None)
    given, made = (model.encode_values(part) for part in (video_BCPHW * (1 - free_BCPHW), video_BCPHW * free_BCPHW))
    frames = [torch.cat([given, made], dim=1)]
    for picture in references:
        latents = model.encode_image(picture)[None]
        frames.insert(0, torch.cat([latents, torch.zeros_like(latents)], dim=1))
    control_BCTHW = torch.cat(frames, dim=2)
    mask_BRTHW = _vace_mask(model, free_BCPHW[0, 0], references=len(references))
    return {
        "control_BCTHW": torch.cat([control_BCTHW, mask_BRTHW.to(control_BCTHW)], dim=1),
        "references": len(references),
    }


def _vace_mask(model: LoadedModel, free_PHW: Tensor, *, references: int) -> Tensor:
    """Which pixels are free, (1, R, T, H, W) with R = 8 x 8 pixels of a latent cell; references are wholly given."""
    stride = model.spec.spatial_stride
    rows, columns = free_PHW.shape[1] // stride, free_PHW.shape[2] // stride
    cells = free_PHW.view(-1, rows, stride, columns, stride).permute(2, 4, 0, 1, 3).flatten(0, 1)
    frames = model.spec.latent_frames(len(free_PHW))
    mask_RTHW = functional.interpolate(cells[None], size=(frames, rows, columns), mode="nearest-exact")[0]
    return torch.cat([torch.zeros_like(mask_RTHW[:, :1]).expand(-1, references, -1, -1), mask_RTHW], dim=1)[None]


def _video(job: Size, image: NDArray[np.uint8] | None) -> Tensor:
    """(1, 3, P, H, W) between -1 and 1: the picture, then grey; all grey without one."""
    video = torch.zeros(1, 3, job.frames, job.height, job.width)
    if image is not None:
        video[0, :, 0] = torch.tensor(image).permute(2, 0, 1).float().div(127.5).sub(1)
    return video


def _nothing(
    model: LoadedModel, job: Size, image: NDArray[np.uint8] | None, _references: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    assert image is None, "a plan has refused a picture for a base that cannot begin from one"
    return {}


FIRST_FRAMES = {"held": _held, "channels": _channels, "control": _control, "none": _nothing}
