"""Triples of shots from the cache: two to remember and one target (OneStory 4.4, A.1).

Shape letters: B batch, F memory frames (two shots of T latent frames), C latent channels, T latent frames, H W latent
cells, L text tokens, E text width, R channels in addition to the latents, I image tokens, V image width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.labels import similarity
from onestory_cli.training.adapter.prepare import Keys, Place
from onestory_cli.training.data import AUGMENTED, FOREIGN

FARTHEST = 7  # largest random age of a remembered shot that is not the previous one


@dataclass(frozen=True, kw_only=True)
class Triples:
    """A batch: targets with captions, and two remembered shots for each. `real_BF` is false in synthetic shots.

    `given`: whether the first frames of the targets are given. `channels_BRTHW` and `image_BIV` are the inputs that
    some bases derive from a given or missing first frame.
    """

    target_BCTHW: Tensor
    text_BLE: Tensor
    memory_BFCHW: Tensor
    labels_BF: Tensor
    real_BF: Tensor
    ages_BF: Tensor
    times_BF: Tensor
    given: bool = False
    channels_BRTHW: Tensor | None = None
    image_BIV: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryShot:
    """One of the two shots before a target."""

    latents_CTHW: Tensor
    labels_T: Tensor
    real: bool
    age: int


@dataclass(frozen=True)
class Shots:
    """The encoded shots of a source, of all videos or of those with the numbers in `subset`."""

    keys: Keys
    cache: Shards
    subset: tuple[int, ...] | None = None

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the videos to draw from."""
        return range(len(self.keys.source.videos)) if self.subset is None else self.subset

    @cached_property
    def shot_frames(self) -> int:
        """Latent frames of a shot."""
        return self.cache[self.keys.latents(self.keys.places[0])].shape[1]

    def draw(
        self, rng: np.random.Generator, *, size: int, inflation: float, drop_text: float, given: bool = False
    ) -> Triples:
        """Draw random triples. A target with a single earlier shot also gets a synthetic one; others get one in a share
        `inflation` of cases. A share `drop_text` of captions is empty."""
        videos = self.keys.source.videos
        rows = []
        for index in rng.integers(len(self.numbers), size=size).tolist():
            video = self.numbers[index]
            target = int(rng.integers(1, len(videos[video])))
            caption = "" if rng.random() < drop_text else videos[video][target].caption
            rows.append(((video, target), caption, self._before(rng, video, target, inflation)))
        latents = [self.cache[self.keys.latents(place)].float() for place, _, _ in rows]
        frames = latents[0].shape[1]
        before = [pair for _, _, pair in rows]
        real = torch.tensor([[item.real for item in pair] for pair in before])
        ages = torch.tensor([[item.age for item in pair] for pair in before])
        return Triples(
            target_BCTHW=torch.stack(latents),
            text_BLE=torch.stack([self.text(caption) for _, caption, _ in rows]),
            memory_BFCHW=torch.stack(
                [torch.cat([item.latents_CTHW.transpose(0, 1) for item in pair]) for pair in before]
            ),
            labels_BF=torch.stack([torch.cat([item.labels_T for item in pair]) for pair in before]),
            real_BF=real.repeat_interleave(frames, 1),
            ages_BF=ages.repeat_interleave(frames, 1),
            times_BF=torch.arange(frames).repeat(size, 2),
            given=given,
            **self.first_frames([place if given else None for place, _, _ in rows]),
        )

    def first_frames(self, places: Sequence[Place | None]) -> dict[str, Tensor]:
        """The inputs that the base derives from first frames; None means a shot without a given first frame."""
        if self.keys.first_frame != "channels":
            return {}
        fields = {"channels_BRTHW": torch.stack([self.cache[self.keys.channels(place)] for place in places]).float()}
        if self.keys.image_tokens:
            fields["image_BIV"] = torch.stack([self.cache[self.keys.seen(place)] for place in places]).float()
        return fields

    def text(self, caption: str) -> Tensor:
        """(L, E) of a caption, padded with zeros to the model's length."""
        text_LE = self.cache[self.keys.caption(caption)].float()
        length = int(self.cache[self.keys.length])
        return functional.pad(text_LE, (0, 0, 0, length - len(text_LE)))

    def relevance(self, before: Place, target: Place) -> Tensor:
        """(T,): relevance of each latent frame of an earlier shot, as stated or as measured from images."""
        stated = self.keys.source.videos[target[0]][target[1]].relevance
        if stated is not None:
            frames = self.cache[self.keys.latents(before)].shape[1]
            return torch.full((frames,), stated[before[1]])
        encoders = [
            similarity(self.cache[self.keys.features(before, name)], self.cache[self.keys.features(target, name)])
            for name in self.keys.encoders
        ]
        return torch.stack(encoders).mean(0)

    def _before(
        self, rng: np.random.Generator, video: int, target: int, inflation: float
    ) -> tuple[MemoryShot, MemoryShot]:
        """The two shots before a target, in order: (first, second), (first, synthetic) or (synthetic, first)."""
        far = int(rng.integers(2, FARTHEST + 1))
        # always remember the previous shot: a caption without a place refers to that shot's place
        near = self._real((video, target - 1), (video, target), age=1)
        if target > 1 and rng.random() >= inflation:
            return self._real((video, int(rng.integers(target - 1))), (video, target), age=far), near
        synthetic = self._synthetic(rng, video)
        if rng.random() < 0.5:
            return MemoryShot(**{**vars(synthetic), "age": far}), near
        return MemoryShot(**{**vars(near), "age": far}), synthetic

    def _real(self, place: Place, target: Place, *, age: int) -> MemoryShot:
        latents = self.cache[self.keys.latents(place)].float()
        return MemoryShot(latents_CTHW=latents, labels_T=self.relevance(place, target), real=True, age=age)

    def _synthetic(self, rng: np.random.Generator, video: int) -> MemoryShot:
        """Shot inflation (Eq. 9): a shot of another video, or an augmented copy of this video's first shot."""
        videos, numbers = self.keys.source.videos, self.numbers
        if len(numbers) == 1 or rng.random() < 0.5:
            latents, label = self.cache[self.keys.augmented(video)], AUGMENTED
        else:
            other = numbers[(numbers.index(video) + int(rng.integers(1, len(numbers)))) % len(numbers)]
            place = (other, int(rng.integers(len(videos[other]))))
            latents, label = self.cache[self.keys.latents(place)], FOREIGN
        labels = torch.full((latents.shape[1],), label)
        return MemoryShot(latents_CTHW=latents.float(), labels_T=labels, real=False, age=1)


def split(shots: Shots, share: float) -> tuple[Shots, Shots | None]:
    """Shots to train on, and those of about a share of the video files to validate on; None where none can be spared.

    The digest of a file decides, so that a set that grows keeps its split, and parts of one file stay together. At
    least one file is held out, and two are left.
    """
    files = [video[0].identity[0] for video in shots.keys.source.videos]
    places = {file: int(hashlib.sha256(str(file).encode()).hexdigest(), 16) / 2**256 for file in files}
    order = sorted(places, key=lambda file: places[file])
    low = [file for file in order if places[file] < share]
    held = {*(low or order[:1])[: max(0, len(order) - 2)]} if share else set()
    if not held:
        return shots, None
    numbers = range(len(files))
    return (
        replace(shots, subset=tuple(number for number in numbers if files[number] not in held)),
        replace(shots, subset=tuple(number for number in numbers if files[number] in held)),
    )
