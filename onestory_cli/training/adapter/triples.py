"""Triples of shots from the cache: two to remember and one target (OneStory 4.4, A.1).

Shape letters: B batch, F memory frames (two shots of T latent frames), C latent channels, T latent frames, H W latent
cells, L text tokens, E text width, R channels in addition to the latents, I image tokens, V image width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.labels import similarity
from onestory_cli.training.adapter.prepare import Keys
from onestory_cli.training.adapter.source import Clip, Place, places_of, shot_at
from onestory_cli.training.data import AUGMENTED, FOREIGN

FARTHEST = 7  # largest random age of a remembered shot that is not the previous one


@dataclass(frozen=True, kw_only=True)
class Triples:
    """A batch: targets with captions, and two remembered shots for each. `real_BF` is false in synthetic shots.

    `given`: whether the first frames of the targets are given. `channels_BRTHW` and `image_BIV` are the inputs that
    some bases derive from a given or missing first frame. `negatives_BNCHW`: frames of a shot of another video.
    """

    target_BCTHW: Tensor
    text_BLE: Tensor
    memory_BFCHW: Tensor
    labels_BF: Tensor
    real_BF: Tensor
    ages_BF: Tensor
    times_BF: Tensor
    given: bool = False
    negatives_BNCHW: Tensor | None = None
    channels_BRTHW: Tensor | None = None
    image_BIV: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryShot:
    """One of the two shots before a target."""

    latents_CTHW: Tensor
    labels_T: Tensor
    real: bool
    age: int


@dataclass(frozen=True, kw_only=True)
class TripleRow:
    """What one row of a batch shows: the clip of the target, its caption, and the two shots before it."""

    target: Clip
    caption: str
    before: tuple[MemoryShot, MemoryShot]


@dataclass(frozen=True)
class Shots:
    """The encoded shots of a source, of all videos or of those with the numbers in `subset`.

    Without `labelled`, the relevance of all frames is 0, for trainings that do not read it.
    """

    keys: Keys
    cache: Shards
    subset: tuple[int, ...] | None = None
    labelled: bool = True

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the videos to draw from."""
        return range(len(self.keys.source.videos)) if self.subset is None else self.subset

    @cached_property
    def shot_frames(self) -> int:
        """Latent frames of the shortest shot."""
        source = self.keys.source
        place = min(places_of(source), key=lambda place: shot_at(source, place).frames)
        return self.cache[self.keys.latents((*place, 0))].shape[1]

    @cached_property
    def targets(self) -> dict[int, tuple[list[Place], NDArray[np.float64]]]:
        """The targets of each length in frames, with their shares; all videos have the same total share."""
        found: dict[int, tuple[list[Place], list[float]]] = {}
        for video in self.numbers:
            shots = self.keys.source.videos[video]
            for index in range(1, len(shots)):
                places, shares = found.setdefault(shots[index].frames, ([], []))
                places.append((video, index))
                shares.append(1 / (len(shots) - 1) / len(self.numbers))
        return {length: (places, np.array(shares)) for length, (places, shares) in sorted(found.items())}

    def draw_length(self, rng: np.random.Generator) -> int:
        """Draw the number of frames of a batch's targets, in proportion to the shares of the targets of each length."""
        shares = np.array([shares.sum() for _, shares in self.targets.values()])
        return int(rng.choice(list(self.targets), p=shares / shares.sum()))

    def draw(
        self,
        rng: np.random.Generator,
        *,
        size: int,
        length: int,
        inflation: float,
        drop_text: float,
        given: bool = False,
        negatives: bool = False,
    ) -> Triples:
        """Draw random triples with targets of `length` frames.

        A target with a single earlier shot also gets a synthetic one; others get one in a share `inflation` of cases. A
        share `drop_text` of captions is empty. Remembered shots are cut to the shortest one at their place.
        """
        rows = [self._row(rng, length, inflation, drop_text) for _ in range(size)]
        targets = [row.target for row in rows]
        latents = [self.cache[self.keys.latents(clip)].float() for clip in targets]
        places = [_cut([row.before[place] for row in rows]) for place in (0, 1)]
        before = [*zip(*places, strict=True)]
        return Triples(
            target_BCTHW=torch.stack(latents),
            text_BLE=torch.stack([self.text(row.caption) for row in rows]),
            memory_BFCHW=_joined(before, lambda item: item.latents_CTHW.transpose(0, 1)),
            labels_BF=_joined(before, lambda item: item.labels_T),
            real_BF=_joined(before, lambda item: torch.full(item.labels_T.shape, item.real)),
            ages_BF=_joined(before, lambda item: torch.full(item.labels_T.shape, item.age)),
            times_BF=_joined(before, lambda item: torch.arange(len(item.labels_T))),
            given=given,
            negatives_BNCHW=self._negatives(rng, targets) if negatives and len(self.numbers) > 1 else None,
            **self.first_frames([clip if given else length for clip in targets]),
        )

    def first_frames(self, clips: Sequence[Clip | int]) -> dict[str, Tensor]:
        """The inputs that the base derives from first frames; a number of frames means a clip without a given one."""
        if self.keys.first_frame != "channels":
            return {}
        fields = {"channels_BRTHW": torch.stack([self.cache[self.keys.channels(clip)] for clip in clips]).float()}
        if self.keys.image_tokens:
            fields["image_BIV"] = torch.stack([self.cache[self.keys.seen(clip)] for clip in clips]).float()
        return fields

    def text(self, caption: str) -> Tensor:
        """(L, E) of a caption, padded with zeros to the model's length."""
        text_LE = self.cache[self.keys.caption(caption)].float()
        length = int(self.cache[self.keys.length])
        return functional.pad(text_LE, (0, 0, 0, length - len(text_LE)))

    def relevance(self, before: Clip, target: Clip) -> Tensor:
        """(T,): relevance of each latent frame of an earlier clip, as stated or as measured from images."""
        stated = shot_at(self.keys.source, target).relevance
        if stated is not None or not self.labelled:
            frames = self.cache[self.keys.latents(before)].shape[1]
            return torch.full((frames,), 0.0 if stated is None else stated[before[1]])
        encoders = [
            similarity(self.cache[self.keys.features(before, name)], self.cache[self.keys.features(target, name)])
            for name in self.keys.encoders
        ]
        return torch.stack(encoders).mean(0)

    def _row(self, rng: np.random.Generator, length: int, inflation: float, drop_text: float) -> TripleRow:
        places, shares = self.targets[length]
        place = places[int(rng.choice(len(places), p=shares / shares.sum()))]
        target = self._window(rng, place)
        caption = "" if rng.random() < drop_text else shot_at(self.keys.source, place).caption
        return TripleRow(target=target, caption=caption, before=self._before(rng, target, inflation))

    def _window(self, rng: np.random.Generator, place: Place) -> Clip:
        return (*place, int(rng.integers(shot_at(self.keys.source, place).windows)))

    def _before(self, rng: np.random.Generator, target: Clip, inflation: float) -> tuple[MemoryShot, MemoryShot]:
        """The two shots before a target, in order: (first, second), (first, synthetic) or (synthetic, first)."""
        video, index, _ = target
        far = int(rng.integers(2, FARTHEST + 1))
        # always remember the previous shot: a caption without a place refers to that shot's place
        near = self._real(self._window(rng, (video, index - 1)), target, age=1)
        if index > 1 and rng.random() >= inflation:
            return self._real(self._window(rng, (video, int(rng.integers(index - 1)))), target, age=far), near
        synthetic = self._synthetic(rng, video)
        if rng.random() < 0.5:
            return replace(synthetic, age=far), near
        return replace(near, age=far), synthetic

    def _real(self, clip: Clip, target: Clip, *, age: int) -> MemoryShot:
        latents = self.cache[self.keys.latents(clip)].float()
        return MemoryShot(latents_CTHW=latents, labels_T=self.relevance(clip, target), real=True, age=age)

    def _synthetic(self, rng: np.random.Generator, video: int) -> MemoryShot:
        """Shot inflation (Eq. 9): a shot of another video, or an augmented copy of this video's first shot."""
        if len(self.numbers) == 1 or rng.random() < 0.5:
            latents, label = self.cache[self.keys.augmented(video)], AUGMENTED
        else:
            latents, label = self._foreign(rng, video), FOREIGN
        labels = torch.full((latents.shape[1],), label)
        return MemoryShot(latents_CTHW=latents.float(), labels_T=labels, real=False, age=1)

    def _foreign(self, rng: np.random.Generator, video: int) -> Tensor:
        """Latents (C, T, H, W) of a shot of another video."""
        numbers = self.numbers
        other = numbers[(numbers.index(video) + int(rng.integers(1, len(numbers)))) % len(numbers)]
        shot = int(rng.integers(len(self.keys.source.videos[other])))
        return self.cache[self.keys.latents(self._window(rng, (other, shot)))]

    def _negatives(self, rng: np.random.Generator, targets: Sequence[Clip]) -> Tensor:
        """(B, N, C, H, W): the frames of a shot of another video for each target, cut to the shortest shot."""
        found = [self._foreign(rng, video).float() for video, _, _ in targets]
        frames = min(latents.shape[1] for latents in found)
        return torch.stack([latents[:, :frames].transpose(0, 1) for latents in found])


def _cut(shots: Sequence[MemoryShot]) -> list[MemoryShot]:
    """The shots, cut to the shortest. The VAE is causal: the first latents are those of a shorter clip."""
    frames = min(len(shot.labels_T) for shot in shots)
    return [
        replace(shot, latents_CTHW=shot.latents_CTHW[:, :frames], labels_T=shot.labels_T[:frames]) for shot in shots
    ]


def _joined(rows: Sequence[tuple[MemoryShot, ...]], part: Callable[[MemoryShot], Tensor]) -> Tensor:
    """(B, F, ...): a part of the remembered shots of each row, one shot after the other."""
    return torch.stack([torch.cat([part(shot) for shot in row]) for row in rows])


def split(shots: Shots, share: float) -> tuple[Shots, Shots | None]:
    """Shots to train on, and those of about a share of the video files to validate on.

    At least one file is held out, and two are left; for a share of 0, or fewer than three files, nothing is held out.
    The digest of a file decides, so that a set that grows keeps its split, and parts of one file stay together.
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
