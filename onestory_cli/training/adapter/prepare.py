"""Everything that a training reads, encoded once: captions, shots, an augmented copy of each first shot, and pictures'
embeddings for labels.

Shape letters: C latent channels, T latent frames, P pixel frames, H W, L text tokens, E text width, R channels beside
the latents, I image tokens, V image width.
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
from onestory_cli.generate.conditions import concat_conditions
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
    """The names in a cache of all that is made of a source."""

    source: ShotSource
    format: VideoFormat
    text: str
    video: str
    encoders: tuple[str, ...]
    first_frame: FirstFrameInput = "none"
    image_tokens: bool = False

    def caption(self, caption: str) -> str:
        """(L, E) without the empty end."""
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
        """(R, T, H, W): what goes beside the noise when a shot's first frame is given; None: when no frame is."""
        return key_of("channels", self.video, *(self._sizes if place is None else self._clip(place)))

    def seen(self, place: Place | None) -> str:
        """(I, V): what the base's image encoder says of a shot's first frame; None: of grey."""
        return key_of("seen", self.video, *(self._sizes if place is None else self._clip(place)))

    def first(self, place: Place | None) -> list[str]:
        """All that the base reads of a first frame beside the latents."""
        if self.first_frame != "channels":
            return []
        return [self.channels(place), *([self.seen(place)] if self.image_tokens else [])]

    def features(self, place: Place, encoder: str) -> str:
        """(T, E) of one image encoder."""
        return key_of("features", encoder, *self._clip(place))

    def of(self, place: Place) -> list[str]:
        """All that is made of a shot's pixels."""
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
        """All captions, each once, and the empty one."""
        return list(dict.fromkeys(["", *(shot.caption for shots in self.source.videos for shot in shots)]))

    def measured(self, place: Place) -> bool:
        """Whether labels need the embeddings of a shot: one of its video states no relevance."""
        return any(shot.relevance is None for shot in self.source.videos[place[0]][1:])


@torch.inference_mode()
def encode_captions(keys: Keys, base: Base, cache: Shards, share: WorkSplit, emit: Emit) -> None:
    """Put every caption into the cache that is not there."""
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
            _tell(emit, "captions", done, len(missing), share)
    cache.flush()


@torch.inference_mode()
def encode_shots(keys: Keys, base: Base, cache: Shards, share: WorkSplit, emit: Emit) -> None:
    """Put the latents and embeddings of every shot into the cache that are not there; its pixels are read once."""
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
        _tell(emit, "shots", done, len(missing), share)
    cache.flush()


def _made(
    keys: Keys, place: Place, model: PictureModel, encoders: Mapping[str, ImageEncoder]
) -> Iterator[tuple[str, Tensor]]:
    """What becomes of a shot's pixels, by key."""
    video, shot = place
    pixels = keys.source.pixels(video, shot)
    yield keys.latents(place), model.codec.encode_video(pixels[None])[0].half()
    if shot == 0:
        key = keys.augmented(video)
        seed = int(key[-8:], 16)  # the clip's own, in whatever order clips are encoded
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
    """What the base reads of a first frame, or of none, by key."""
    if not keys.first(place):
        return
    images = concat_conditions(model, keys.format, image_HWC, [])
    assert images.concat_latents_BCTHW is not None
    yield keys.channels(place), images.concat_latents_BCTHW[0].half()
    if images.image_embeds_BIV is not None:
        yield keys.seen(place), images.image_embeds_BIV[0].half()


def _tell(emit: Emit, what: str, done: int, total: int, share: WorkSplit) -> None:
    if done % 10 == 0 or done == total:
        emit(DataPrepared(what=what, done=done * share.count, total=total * share.count))
