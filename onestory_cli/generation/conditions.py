"""The conditions of a shot: caption, selected frames and first frame, in the form that its base reads.

An adapter turns the selected frames into context tokens. A base without one reads them as reference images before the
video (VACE), as keyframes before it (M2V), or the most relevant one as the first frame of the shot (image to video), or
not at all.

Shape letters: B batch (1), K selected frames, C latent channels, T latent frames, P pixel frames, H W pixels or latent
cells, R mask channels of one latent cell, I image tokens, V image width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from onestory_cli.generation.denoise import Conditions
from onestory_cli.generation.selection import RecallResult, condition, empty_context
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.encoders import VaeCodec
from onestory_cli.models.model import ClipImageEncoder, LoadedModel
from onestory_cli.models.spec import FirstFrameInput, ModelSpec
from onestory_cli.planning.jobs import ShotJob

Picture = NDArray[np.uint8]  # (H, W, 3)
_GRAY = 128


class ShotSize(Protocol):
    """Length in pixel frames and size in pixels of a shot."""

    @property
    def frames(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


class ImageModel(Protocol):
    """The parts of a model that encode pictures."""

    @property
    def spec(self) -> ModelSpec: ...
    @property
    def codec(self) -> VaeCodec: ...
    @property
    def image_encoder(self) -> ClipImageEncoder | None: ...


@dataclass(frozen=True, kw_only=True)
class ImageConditions:
    """What a base reads of a first frame and of reference images; see `Conditions` for the fields."""

    first_frame_latents_BCHW: Tensor | None = None
    concat_latents_BCTHW: Tensor | None = None
    image_embeds_BIV: Tensor | None = None
    control_latents_BCTHW: Tensor | None = None
    references: int = 0


@torch.inference_mode()
def conditions_of(
    model: LoadedModel, job: ShotJob, bank: MemoryBank, recalled: RecallResult, *, image: Picture | None
) -> Conditions:
    """All conditions of a shot. `image` (H, W, 3) is its own first frame, if it has one."""
    no_memory = empty_context(model.denoiser, 1)
    conditions = Conditions(
        prompt_embeds_BLE=model.text.encode_cached(job.caption),
        negative_prompt_embeds_BLE=model.text.encode_cached(job.negative),
        context_BSD=no_memory.tokens_BSD,
        context_rope=no_memory.rope,
    )
    remembered: list[Picture] = []
    if model.spec.remembers == "context":
        conditions = _with_context(model, bank, recalled, conditions)
    if model.spec.remembers != "context" or recalled.starts:
        remembered = selected_pictures(model.codec, bank, recalled)
    if crop := job.memory.crop:
        remembered = model.cropper.crop(remembered, recalled.selection, detector=crop.detector, looks=crop.looks)
    if image is None and remembered and (recalled.starts or model.spec.remembers == "first-frame"):
        image = remembered[0]
    remembered = remembered[1:] if recalled.starts else remembered
    if model.spec.remembers == "keyframes":
        remembered = [remembered[rank] for rank in recalled.positions.positions_BK[0].argsort().tolist()]
    images = IMAGE_CONDITIONS[model.spec.first_frame](model, job, image, remembered)
    return replace(conditions, **vars(images))


def selected_pictures(codec: VaeCodec, bank: MemoryBank, recalled: RecallResult) -> list[Picture]:
    """The selected frames as pictures (H, W, 3), the most relevant first; each source is decoded at most once."""
    lengths: dict[str, int] = {}
    for frame in recalled.selection:
        lengths[frame.source] = max(frame.index + 1, lengths.get(frame.source, 0))
    pictures = {source: codec.frame_pictures(bank.latents(source), length) for source, length in lengths.items()}
    return [pictures[frame.source][frame.index] for frame in recalled.selection]


def _with_context(model: LoadedModel, bank: MemoryBank, recalled: RecallResult, conditions: Conditions) -> Conditions:
    """Add the context tokens of the selected frames, for each expert (OneStory Eq. 7)."""
    positions = recalled.positions
    selected = bank.frames_at(positions.positions_BK[0].tolist())[None].to(model.device)
    contexts = [
        condition(model.denoiser, selected, positions.levels, expert=expert) for expert in range(model.spec.experts)
    ]
    return replace(
        conditions,
        context_BSD=contexts[0].tokens_BSD,
        context_rope=contexts[0].rope,
        context_2_BSD=contexts[1].tokens_BSD if len(contexts) > 1 else None,
    )


def _first_frame_latents(
    model: ImageModel, _size: ShotSize, image: Picture | None, _references: list[Picture]
) -> ImageConditions:
    """The picture as the first latent frame, held at timestep 0 (Wan 2.2 TI2V)."""
    if image is None:
        return ImageConditions()
    return ImageConditions(first_frame_latents_BCHW=model.codec.encode_image(image)[:, 0][None])


def concat_conditions(
    model: ImageModel, size: ShotSize, image: Picture | None, _references: list[Picture]
) -> ImageConditions:
    """A mask and the latents of a video that shows the picture and then gray, and the CLIP tokens of the picture.

    As in diffusers' `WanImageToVideoPipeline.prepare_latents`. Without a picture the video is gray and the mask empty;
    a stock base was not trained for that, an adapter can be.
    """
    stride = model.spec.temporal_stride
    mask_PHW = torch.zeros(size.frames, *model.spec.latent_size(size.width, size.height))
    mask_PHW[0] = float(image is not None)
    # the first latent frame holds one pixel frame, which is repeated for each of the mask's channels
    mask_TRHW = torch.cat([mask_PHW[:1].expand(stride, -1, -1), mask_PHW[1:]]).unflatten(0, (-1, stride))
    latents_BCTHW = model.codec.encode_values(_video(size, image))
    mask_BRTHW = mask_TRHW.transpose(0, 1)[None].to(latents_BCTHW)
    embeds_BIV = None
    if model.image_encoder is not None:
        seen = np.full((size.height, size.width, 3), _GRAY, np.uint8) if image is None else image
        embeds_BIV = model.image_encoder.encode(seen)
    return ImageConditions(
        concat_latents_BCTHW=torch.cat([mask_BRTHW, latents_BCTHW], dim=1), image_embeds_BIV=embeds_BIV
    )


def _keyframe_latents(
    model: ImageModel, size: ShotSize, image: Picture | None, references: list[Picture]
) -> ImageConditions:
    """As `concat_conditions`, with a given latent frame for each keyframe before the video, oldest first.

    As in StoryMem's memory2video.py, where the keyframes are noised and denoised like the video, and dropped at the
    end. Its released code replaces a given first frame by gray after encoding it; here it is kept.
    """
    video_BCTHW = concat_conditions(model, size, image, []).concat_latents_BCTHW
    assert video_BCTHW is not None
    frames = []
    for picture in references:
        latents = model.codec.encode_image(picture)[None]
        mask = torch.ones_like(latents[:, :1]).expand(-1, model.spec.temporal_stride, -1, -1, -1)
        frames.append(torch.cat([mask, latents], dim=1))
    return ImageConditions(concat_latents_BCTHW=torch.cat([*frames, video_BCTHW], dim=2), references=len(references))


def _control_latents(
    model: ImageModel, size: ShotSize, image: Picture | None, references: list[Picture]
) -> ImageConditions:
    """VACE's control: the given and the free part of the video, a mask, and the reference images before them.

    As in diffusers' `WanVACEPipeline`, which puts each reference before the previous one: the most relevant is next to
    the video.
    """
    video_BCPHW = _video(size, image)
    free_BCPHW = torch.ones_like(video_BCPHW)
    free_BCPHW[:, :, 0] = float(image is None)
    given, free = (
        model.codec.encode_values(part) for part in (video_BCPHW * (1 - free_BCPHW), video_BCPHW * free_BCPHW)
    )
    frames = [torch.cat([given, free], dim=1)]
    for picture in references:
        latents = model.codec.encode_image(picture)[None]
        frames.insert(0, torch.cat([latents, torch.zeros_like(latents)], dim=1))
    control_BCTHW = torch.cat(frames, dim=2)
    mask_BRTHW = _vace_mask(model.spec, free_BCPHW[0, 0], references=len(references))
    return ImageConditions(
        control_latents_BCTHW=torch.cat([control_BCTHW, mask_BRTHW.to(control_BCTHW)], dim=1),
        references=len(references),
    )


def _vace_mask(spec: ModelSpec, free_PHW: Tensor, *, references: int) -> Tensor:
    """Mask of the free pixels, (1, R, T, H, W) with R = 8 x 8 pixels of a latent cell; references are 0."""
    stride = spec.spatial_stride
    rows, columns = free_PHW.shape[1] // stride, free_PHW.shape[2] // stride
    cells = free_PHW.view(-1, rows, stride, columns, stride).permute(2, 4, 0, 1, 3).flatten(0, 1)
    frames = spec.latent_frames(len(free_PHW))
    mask_RTHW = functional.interpolate(cells[None], size=(frames, rows, columns), mode="nearest-exact")[0]
    return torch.cat([torch.zeros_like(mask_RTHW[:, :1]).expand(-1, references, -1, -1), mask_RTHW], dim=1)[None]


def _video(size: ShotSize, image: Picture | None) -> Tensor:
    """(1, 3, P, H, W) between -1 and 1: the picture, if there is one, then gray."""
    video = torch.zeros(1, 3, size.frames, size.height, size.width)
    if image is not None:
        video[0, :, 0] = torch.tensor(image).permute(2, 0, 1).float().div(127.5).sub(1)
    return video


def _no_image(
    _model: ImageModel, _size: ShotSize, image: Picture | None, _references: list[Picture]
) -> ImageConditions:
    assert image is None, "the plan refuses a first frame for a base that cannot read one"
    return ImageConditions()


IMAGE_CONDITIONS: dict[
    FirstFrameInput, Callable[[ImageModel, ShotSize, Picture | None, list[Picture]], ImageConditions]
] = {
    "held": _first_frame_latents,
    "channels": concat_conditions,
    "keyframes": _keyframe_latents,
    "control": _control_latents,
    "none": _no_image,
}
