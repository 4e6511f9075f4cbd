"""Encode training data once: captions, shots, an augmented copy of each first shot, and image embeddings for labels.

Shape letters: C latent channels, T latent frames, P pixel frames, H W, L text tokens, E text width, R channels in
addition to the latents, I image tokens, V image width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onestory_cli.events import DataPrepared, Emit
from onestory_cli.generation.conditions import concat_conditions
from onestory_cli.models.spec import FirstFrameInput
from onestory_cli.training.adapter.base import Base, PictureModel
from onestory_cli.training.adapter.cache import Shards, key_of
from onestory_cli.training.adapter.labels import ImageEncoder, load_image_encoder, pictures_of
from onestory_cli.training.adapter.source import Clip, ShotSource, VideoFormat, captions_of, clips_of, shot_at
from onestory_cli.training.rendering import augment


@dataclass(frozen=True, kw_only=True)
class WorkSplit:
    """The part of the work that one of several processes does."""

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[Any]) -> Sequence[Any]:
        return items[self.index :: self.count]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The cache keys of everything that is encoded from a source, and of the captions `more_captions`."""

    source: ShotSource
    format: VideoFormat
    text: str
    video: str
    encoders: tuple[str, ...]
    first_frame: FirstFrameInput = "none"
    image_tokens: bool = False
    more_captions: tuple[str, ...] = ()

    @property
    def captions(self) -> list[str]:
        """All distinct captions to encode."""
        return list(dict.fromkeys([*captions_of(self.source), *self.more_captions]))

    def caption(self, caption: str) -> str:
        """(L, E) without the padding."""
        return key_of("text", self.text, caption)

    @property
    def length(self) -> str:
        """(1,): the number of tokens that captions are padded to."""
        return key_of("length", self.text)

    def latents(self, clip: Clip) -> str:
        """(C, T, H, W)."""
        return key_of("latents", self.video, *self._clip(clip))

    def augmented(self, video: int) -> str:
        """(C, T, H, W) of an augmented copy of the video's first shot."""
        return key_of("augmented", self.video, *self._clip((video, 0, 0)))

    def channels(self, clip: Clip | int) -> str:
        """(R, T, H, W): input channels that encode a clip's first frame, or, for a number of frames, its absence."""
        return key_of("channels", self.video, *self._given(clip))

    def seen(self, clip: Clip | int) -> str:
        """(I, V): the image encoder's output for a clip's first frame, or for a grey image."""
        return key_of("seen", self.video, *self._given(clip))

    def first(self, clip: Clip | int) -> list[str]:
        """All inputs in addition to the latents that the base derives from a first frame.

        `clip` is the number of frames of a clip whose first frame is not given.
        """
        if self.first_frame != "channels":
            return []
        return [self.channels(clip), *([self.seen(clip)] if self.image_tokens else [])]

    def features(self, clip: Clip, encoder: str) -> str:
        """(T, E) of one image encoder."""
        return key_of("features", encoder, *self._clip(clip))

    def of(self, clip: Clip) -> list[str]:
        """The keys of everything that is computed from a clip's pixels."""
        video, shot, window = clip
        augmented = [self.augmented(video)] if shot == window == 0 else []
        features = [self.features(clip, name) for name in self.encoders] if self.measured(clip) else []
        first = self.first(clip) if shot else []  # a target is never the first shot
        return [self.latents(clip), *augmented, *first, *features]

    def measured(self, clip: Clip) -> bool:
        """Whether labels need the embeddings of a clip: some shot of its video does not state its relevance."""
        return any(shot.relevance is None for shot in self.source.videos[clip[0]][1:])

    def _sizes(self, frames: int) -> tuple[int, ...]:
        format = self.format
        return format.width, format.height, frames, format.fps

    def _clip(self, clip: Clip) -> tuple[Any, ...]:
        shot, window = shot_at(self.source, clip), clip[2]
        return (*self._sizes(shot.frames), *shot.identity, *([window] if window else []))

    def _given(self, clip: Clip | int) -> tuple[Any, ...]:
        return self._sizes(clip) if isinstance(clip, int) else self._clip(clip)


@torch.inference_mode()
def encode_captions(keys: Keys, base: Base, cache: Shards, share: WorkSplit, emit: Emit) -> None:
    """Encode the captions that are not in the cache."""
    missing = [caption for caption in share.of(keys.captions) if keys.caption(caption) not in cache]
    if not missing:
        return
    with base.captions() as encode:
        for done, caption in enumerate(missing, start=1):
            text_LE = encode([caption])[0]
            used = int(text_LE.any(1).nonzero().max()) + 1 if text_LE.any() else 0
            cache.put(keys.caption(caption), text_LE[:used].half())
            if keys.length not in cache:
                cache.put(keys.length, torch.tensor([len(text_LE)]))
            _report_progress(emit, "captions", done, len(missing), share)
    cache.flush()


@torch.inference_mode()
def encode_shots(keys: Keys, base: Base, cache: Shards, share: WorkSplit, emit: Emit) -> None:
    """Encode the latents and embeddings that are not in the cache; the pixels of a clip are read once."""
    missing = [clip for clip in share.of(clips_of(keys.source)) if any(key not in cache for key in keys.of(clip))]
    lengths = [count for count in keys.format.lengths if any(key not in cache for key in keys.first(count))]
    if not missing and not lengths:
        return
    names = keys.encoders if any(keys.measured(clip) for clip in missing) else ()
    encoders = {name: load_image_encoder(name, base.device) for name in names}
    model = base.pictures()
    for count in lengths:
        for key, value in _first_frame(keys, count, model, None):
            cache.put(key, value)
    for done, clip in enumerate(missing, start=1):
        for key, value in _encode_clip(keys, clip, model, encoders):
            if key not in cache:
                cache.put(key, value)
        _report_progress(emit, "shots", done, len(missing), share)
    cache.flush()


def _encode_clip(
    keys: Keys, clip: Clip, model: PictureModel, encoders: Mapping[str, ImageEncoder]
) -> Iterator[tuple[str, Tensor]]:
    """Yield everything that is computed from a clip's pixels, by key."""
    video, shot, window = clip
    pixels = keys.source.pixels(video, shot, window)
    yield keys.latents(clip), model.codec.encode_video(pixels[None])[0].half()
    if shot == window == 0:
        key = keys.augmented(video)
        seed = int(key[-8:], 16)  # depends on the clip only, not on the order in which clips are encoded
        yield key, model.codec.encode_video(augment(pixels[None], seed=seed))[0].half()
    elif shot:
        yield from _first_frame(keys, clip, model, pixels[0])
    if keys.measured(clip):
        pictures = pictures_of(pixels, stride=model.spec.temporal_stride)
        for name, encoder in encoders.items():
            yield keys.features(clip, name), encoder(pictures).half()


def _first_frame(
    keys: Keys, clip: Clip | int, model: PictureModel, image_HWC: NDArray[np.uint8] | None
) -> Iterator[tuple[str, Tensor]]:
    """Yield by key what the base derives from a first frame or, for a number of frames, from its absence."""
    if not keys.first(clip):
        return
    frames = clip if isinstance(clip, int) else shot_at(keys.source, clip).frames
    images = concat_conditions(model, replace(keys.format, frames=frames), image_HWC, [])
    assert images.concat_latents_BCTHW is not None
    yield keys.channels(clip), images.concat_latents_BCTHW[0].half()
    if images.image_embeds_BIV is not None:
        yield keys.seen(clip), images.image_embeds_BIV[0].half()


def _report_progress(emit: Emit, what: str, done: int, total: int, share: WorkSplit) -> None:
    if done % 10 == 0 or done == total:
        emit(DataPrepared(what=what, done=done * share.count, total=total * share.count))
