"""Encode training data once: captions, shots, an augmented copy of each first shot, and image embeddings for labels.

Shape letters: C latent channels, T latent frames, P pixel frames, H W, L text tokens, E text width, R channels in
addition to the latents, I image tokens, V image width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from onestory_cli.training.adapter.source import ShotSource, VideoFormat
from onestory_cli.training.rendering import augment

Place = tuple[int, int]  # (video, shot)


@dataclass(frozen=True, kw_only=True)
class WorkSplit:
    """The part of the work that one of several processes does."""

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[Any]) -> Sequence[Any]:
        return items[self.index :: self.count]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The cache keys of everything that is encoded from a source."""

    source: ShotSource
    format: VideoFormat
    text: str
    video: str
    encoders: tuple[str, ...]
    first_frame: FirstFrameInput = "none"
    image_tokens: bool = False

    def caption(self, caption: str) -> str:
        """(L, E) without the padding."""
        return key_of("text", self.text, caption)

    @property
    def length(self) -> str:
        """(1,): the number of tokens that captions are padded to."""
        return key_of("length", self.text)

    def latents(self, place: Place) -> str:
        """(C, T, H, W)."""
        return key_of("latents", self.video, *self._clip(place))

    def augmented(self, video: int) -> str:
        """(C, T, H, W) of an augmented copy of the video's first shot."""
        return key_of("augmented", self.video, *self._clip((video, 0)))

    def channels(self, place: Place | None) -> str:
        """(R, T, H, W): the input channels that encode a shot's first frame; for None, those without a first frame."""
        return key_of("channels", self.video, *(self._sizes if place is None else self._clip(place)))

    def seen(self, place: Place | None) -> str:
        """(I, V): the image encoder's output for a shot's first frame; for None, its output for a grey image."""
        return key_of("seen", self.video, *(self._sizes if place is None else self._clip(place)))

    def first(self, place: Place | None) -> list[str]:
        """All inputs in addition to the latents that the base derives from a first frame."""
        if self.first_frame != "channels":
            return []
        return [self.channels(place), *([self.seen(place)] if self.image_tokens else [])]

    def features(self, place: Place, encoder: str) -> str:
        """(T, E) of one image encoder."""
        return key_of("features", encoder, *self._clip(place))

    def of(self, place: Place) -> list[str]:
        """The keys of everything that is computed from a shot's pixels."""
        augmented = [self.augmented(place[0])] if place[1] == 0 else []
        features = [self.features(place, name) for name in self.encoders] if self.measured(place) else []
        first = self.first(place) if place[1] else []  # a target is never the first shot
        return [self.latents(place), *augmented, *first, *features]

    @property
    def _sizes(self) -> tuple[int, ...]:
        format = self.format
        return format.width, format.height, format.frames, format.fps

    def _clip(self, place: Place) -> tuple[Any, ...]:
        video, shot = place
        return (*self._sizes, *self.source.videos[video][shot].identity)

    @property
    def places(self) -> list[Place]:
        """All shots."""
        return [(video, shot) for video, shots in enumerate(self.source.videos) for shot in range(len(shots))]

    @property
    def captions(self) -> list[str]:
        """All distinct captions and the empty one."""
        return list(dict.fromkeys(["", *(shot.caption for shots in self.source.videos for shot in shots)]))

    def measured(self, place: Place) -> bool:
        """Whether labels need the embeddings of a shot: some shot of its video does not state its relevance."""
        return any(shot.relevance is None for shot in self.source.videos[place[0]][1:])


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
    """Encode the latents and embeddings that are not in the cache; the pixels of a shot are read once."""
    missing = [place for place in share.of(keys.places) if any(key not in cache for key in keys.of(place))]
    if not missing and all(key in cache for key in keys.first(None)):
        return
    names = keys.encoders if any(keys.measured(place) for place in missing) else ()
    encoders = {name: load_image_encoder(name, base.device) for name in names}
    model = base.pictures()
    for key, value in _first_frame(keys, None, model, None):
        cache.put(key, value)
    for done, place in enumerate(missing, start=1):
        for key, value in _made(keys, place, model, encoders):
            if key not in cache:
                cache.put(key, value)
        _report_progress(emit, "shots", done, len(missing), share)
    cache.flush()


def _made(
    keys: Keys, place: Place, model: PictureModel, encoders: Mapping[str, ImageEncoder]
) -> Iterator[tuple[str, Tensor]]:
    """Yield everything that is computed from a shot's pixels, by key."""
    video, shot = place
    pixels = keys.source.pixels(video, shot)
    yield keys.latents(place), model.codec.encode_video(pixels[None])[0].half()
    if shot == 0:
        key = keys.augmented(video)
        seed = int(key[-8:], 16)  # depends on the clip only, not on the order in which clips are encoded
        yield key, model.codec.encode_video(augment(pixels[None], seed=seed))[0].half()
    else:
        yield from _first_frame(keys, place, model, pixels[0])
    if keys.measured(place):
        pictures = pictures_of(pixels, stride=model.spec.temporal_stride)
        for name, encoder in encoders.items():
            yield keys.features(place, name), encoder(pictures).half()


def _first_frame(
    keys: Keys, place: Place | None, model: PictureModel, image_HWC: NDArray[np.uint8] | None
) -> Iterator[tuple[str, Tensor]]:
    """Yield the inputs that the base derives from a first frame, or from a missing one, by key."""
    if not keys.first(place):
        return
    images = concat_conditions(model, keys.format, image_HWC, [])
    assert images.concat_latents_BCTHW is not None
    yield keys.channels(place), images.concat_latents_BCTHW[0].half()
    if images.image_embeds_BIV is not None:
        yield keys.seen(place), images.image_embeds_BIV[0].half()


def _report_progress(emit: Emit, what: str, done: int, total: int, share: WorkSplit) -> None:
    if done % 10 == 0 or done == total:
        emit(DataPrepared(what=what, done=done * share.count, total=total * share.count))
