"""Training data from the storyworld: rendered once, encoded once, then sampled per step.

Shape letters: S stories, J shots of a story, E visible earlier shots, A actors of a shot, K attributes of a look,
B batch, F memory frames, P pixel frames, T latent frames, C channels, H W cells or pixels, L text tokens.

Every batch is a function of (seed, stage, step), so a resumed run draws the same batches as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from onestory_cli.events import DataPrepared, Emit
from onestory_cli.storyworld import vocabulary
from onestory_cli.storyworld.canvas import ACCESSORY_DETAIL
from onestory_cli.storyworld.stories import make_story, relevance
from onestory_cli.storyworld.visibility import accent_mask, kite_mask
from onestory_cli.storyworld.world import WorldConfig, WorldShot, WorldStory
from onestory_cli.training.checkpoint import save_weights
from onestory_cli.training.probes.labels import (
    MAX_ACTORS,
    identities,
    look_labels,
    setting_labels,
    with_roles,
    word_labels,
)
from onestory_cli.training.probes.token_probe import NO_LABEL
from onestory_cli.training.recipe import StoryData
from onestory_cli.training.rendering import augment, render_stories

WORDS_LABELLED = 40  # words of a caption; no caption of the storyworld is longer
FOREIGN, AUGMENTED = -1.0, 0.0  # labels of inserted shots (method of OneStory 4.4)

Encode = Callable[[NDArray[np.uint8]], Tensor]  # pixels (B, P, H, W, 3) -> normalised latents (B, C, T, H, W)


def known_words(config: WorldConfig) -> tuple[str, ...]:
    """Words that can occur in captions of this part of the world."""
    chosen = {*config.species, *config.colours, *config.accessories}
    names = {*vocabulary.SPECIES, *vocabulary.COLOURS, *vocabulary.ACCESSORIES} - chosen
    nouns = [words.noun for key, words in vocabulary.SETTINGS.items() if key not in config.settings]
    kept = {token for key in config.settings for token in vocabulary.tokens(vocabulary.SETTINGS[key].noun)}
    left_out = names | {token for noun in nouns for token in vocabulary.tokens(noun) if token not in kept}
    return tuple(word for word in vocabulary.words_of(config.version, kites=config.kites) if word not in left_out)


def known_phrases(config: WorldConfig) -> tuple[str, ...]:
    """The settings of this part of the world as captions name them: "beach", "beach at night", ..."""
    return tuple(phrase for key in config.settings for phrase in vocabulary.setting_phrases(key, config.version))


# Bits of `PixelData.kinds`: what a pixel shows. An outline or an eye of a character has that character's bit too.
CHARACTER, OUTLINE, EYE, MOUTH, KITE = 1, 2, 4, 8, 16
_DETAIL_BITS = np.array([0, OUTLINE, EYE, MOUTH, 0], np.uint8)  # by value of `RenderedShot.details_THW`


class PixelData:
    """Clips for the vae stage: memory-mapped files of pixels (N, P, H, W, 3) and of their kinds (N, P, H, W).

    They are rendered on first use.
    """

    def __init__(self, folder: Path, *, config: WorldConfig, data: StoryData, emit: Emit) -> None:
        self.pixels_path, self.kinds_path = folder / "pixels.npy", folder / "kinds.npy"
        if not self.kinds_path.exists():
            self._draw(config, data, emit)
        self.pixels = np.load(self.pixels_path, mmap_mode="r")
        self.kinds = np.load(self.kinds_path, mmap_mode="r")

    @cached_property
    def with_kite(self) -> NDArray[np.int64]:
        """Indices of the clips that show a kite."""
        return np.flatnonzero((self.kinds[:, 0] & KITE).any((1, 2)))

    def _draw(self, config: WorldConfig, data: StoryData, emit: Emit) -> None:
        self.pixels_path.parent.mkdir(parents=True, exist_ok=True)
        count, side = data.vae_stories * data.shots, config.size
        shape = (count, config.frames, side, side)
        pixels = np.lib.format.open_memmap(self.pixels_path, "w+", np.uint8, (*shape, 3))
        draft = self.kinds_path.with_suffix(".draft")
        kinds = np.lib.format.open_memmap(draft, "w+", np.uint8, shape)
        seeds = range(data.seed, data.seed + data.vae_stories)
        for index, drawn in enumerate(render_stories(seeds, config=config, shots=data.shots)):
            rows = slice(index * data.shots, (index + 1) * data.shots)
            shown = (drawn.cast_JPHW > 0) | _DETAIL_BITS[drawn.details_JPHW]
            pixels[rows], kinds[rows] = drawn.pixels_JPHWC, shown | (KITE * drawn.kites_JHW[:, None]).astype(np.uint8)
            if (index + 1) % 50 == 0 or index + 1 == data.vae_stories:
                emit(DataPrepared(what="pixels", done=index + 1, total=data.vae_stories))
        pixels.flush()
        kinds.flush()
        draft.rename(self.kinds_path)  # last: its presence means that both files are complete

    def batch(self, rng: np.random.Generator, *, size: int, frames: int, kites: float = 0.0) -> tuple[Tensor, Tensor]:
        """Draw windows of `frames` frames: pixels (B, 3, P, H, W) in -1..1, and kinds (B, 1, P, H, W) as bits.

        kites: the share of clips that are chosen to show a kite; others show one as often as stories do.
        """
        clips = rng.integers(len(self.pixels), size=size)
        if kites and len(self.with_kite):
            chosen = (rng.random(size) < kites).nonzero()[0]
            clips[chosen] = rng.choice(self.with_kite, len(chosen))
        starts = rng.integers(self.pixels.shape[1] - frames + 1, size=size)
        windows = [(clip, slice(start, start + frames)) for clip, start in zip(clips, starts, strict=True)]
        pixels = np.stack([self.pixels[clip, window] for clip, window in windows])
        kinds = np.stack([self.kinds[clip, window] for clip, window in windows])
        return to_model_range(pixels), torch.from_numpy(kinds)[:, None]


def to_model_range(pixels_BPHWC: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, P, H, W, 3) -> float (B, 3, P, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels_BPHWC)).permute(0, 4, 1, 2, 3).float().div(127.5).sub(1)


ALL_STORIES = slice(None)


@dataclass(frozen=True, kw_only=True)
class StoryBatch:
    """Targets with their histories. Every row has the same number of earlier shots, so that token counts agree."""

    target_BCTHW: Tensor
    cast_BATHW: Tensor
    worn_BTHW: Tensor  # the share of each cell that shows an accessory
    looks_BAK: Tensor
    setting_BK: Tensor
    accent_BHW: Tensor
    words_BLK: Tensor
    captions: tuple[str, ...]
    introduces_B: Tensor  # whether a caption describes a character's look
    memory_BFCHW: Tensor
    memory_cast_BFAHW: Tensor
    memory_actors_BFAK: Tensor  # species and role
    memory_settings_BFK: Tensor
    labels_BF: Tensor
    real_BF: Tensor
    ages_BF: Tensor
    times_BF: Tensor


class History(NamedTuple):
    """The earlier shots of a target that are visible, and all their frames in order.

    An inserted shot has no actors and no setting, because roles are not defined across stories.
    """

    memory_FCHW: Tensor
    cast_FAHW: Tensor
    actors_EAK: Tensor
    settings_EK: Tensor
    labels_E: Tensor
    real_E: Tensor


class LatentData:
    """All shots of all stories as latents, with captions and labels; cached in the training folder."""

    def __init__(self, path: Path, *, config: WorldConfig, data: StoryData, encode: Encode, emit: Emit) -> None:
        if not path.exists():
            encode_stories(path, config=config, data=data, encode=encode, emit=emit)
        stored = {name: value.float() for name, value in load_file(path).items()}
        self.latents, self.cast, self.worn = stored["latents"], stored["cast"], stored["worn"]
        self.augmented = stored["augmented"]
        stories = [make_story(data.seed + index, config, shots=data.shots) for index in range(data.stories)]
        self.shots = [story.shots for story in stories]
        self.relevance = torch.stack([_relevance_table(story) for story in stories])
        self.looks = torch.tensor([[look_labels(shot) for shot in story.shots] for story in stories])
        self.who = torch.tensor([identities(story) for story in stories])
        self.settings = torch.tensor([[setting_labels(shot) for shot in story.shots] for story in stories])
        self._size, self._nowhere = config.size, torch.zeros(self.latents.shape[-2:])
        self._accents: dict[WorldShot, Tensor] = {}  # drawn on first use: it takes as long as a picture
        self.pairs = np.array([[len(shot.actors) == 2 for shot in story.shots] for story in stories])

    def batch(
        self,
        rng: np.random.Generator,
        *,
        size: int,
        earlier: int,
        inflation: float,
        full_caption: float,
        stories: slice = ALL_STORIES,
        pairs: float = 0.0,
        accents: bool = False,
    ) -> StoryBatch:
        """Draw targets with at least `earlier` shots before them; the visible shots are random, too.

        inflation: the share of histories that get an inserted shot of another story.
        full_caption: the share of captions that describe every look.
        stories: the stories to draw from.
        pairs: the share of targets that are chosen to show two characters; others show two as often as stories do.
        accents: return the masks of accent objects and kites; otherwise they are zero.
        """
        known = range(len(self.latents))[stories]
        chosen, targets = self._targets(rng, size, earlier, known, pairs)
        rows = [
            self._row(rng, int(story), int(target), earlier, inserted_from=known if rng.random() < inflation else None)
            for story, target in zip(chosen, targets, strict=True)
        ]
        full = rng.random(size) < full_caption
        shots = [self.shots[story][target] for story, target in zip(chosen, targets, strict=True)]
        captions = [shot.full_caption if is_full else shot.caption for shot, is_full in zip(shots, full, strict=True)]
        words = [
            word_labels(caption, shot, [is_full or named for named in shot.names_look], length=WORDS_LABELLED)
            for caption, shot, is_full in zip(captions, shots, full, strict=True)
        ]
        frames = self.latents.shape[3]
        shape = (size, earlier * frames)
        return StoryBatch(
            target_BCTHW=self.latents[chosen, targets],
            cast_BATHW=self.cast[chosen, targets],
            worn_BTHW=self.worn[chosen, targets],
            looks_BAK=self.looks[chosen, targets],
            setting_BK=self.settings[chosen, targets],
            accent_BHW=torch.stack([self._accent(shot) if accents else self._nowhere for shot in shots]),
            words_BLK=torch.tensor(words),
            captions=tuple(captions),
            introduces_B=torch.tensor(
                [is_full or any(shot.names_look) for shot, is_full in zip(shots, full, strict=True)]
            ),
            memory_BFCHW=torch.stack([row.memory_FCHW for row in rows]),
            memory_cast_BFAHW=torch.stack([row.cast_FAHW for row in rows]),
            memory_actors_BFAK=torch.stack([row.actors_EAK for row in rows]).repeat_interleave(frames, 1),
            memory_settings_BFK=torch.stack([row.settings_EK for row in rows]).repeat_interleave(frames, 1),
            labels_BF=torch.stack([row.labels_E for row in rows]).repeat_interleave(frames, 1),
            real_BF=torch.stack([row.real_E for row in rows]).repeat_interleave(frames, 1),
            ages_BF=torch.arange(earlier, 0, -1).repeat_interleave(frames).expand(shape),
            times_BF=torch.arange(frames).repeat(earlier).expand(shape),
        )

    def _accent(self, shot: WorldShot) -> Tensor:
        """(H, W): the share of each latent cell that shows the accent object or the kite, ignoring characters."""
        if shot not in self._accents:
            mask_HW = torch.from_numpy(accent_mask(shot, self._size) | kite_mask(shot, self._size)).float()
            self._accents[shot] = functional.adaptive_avg_pool2d(mask_HW[None], self.latents.shape[-2:])[0]
        return self._accents[shot]

    def _targets(
        self, rng: np.random.Generator, size: int, earlier: int, known: range, pairs: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of stories (size,) and of their target shots (size,)."""
        chosen = known.start + rng.integers(len(known), size=size)
        targets = rng.integers(earlier, self.latents.shape[1], size=size)
        stories, places = self.pairs[known.start : known.stop, earlier:].nonzero()
        if pairs > 0 and len(stories):
            rows = (rng.random(size) < pairs).nonzero()[0]
            drawn = rng.integers(len(stories), size=len(rows))
            chosen[rows], targets[rows] = known.start + stories[drawn], places[drawn] + earlier
        return chosen, targets

    def _row(
        self, rng: np.random.Generator, story: int, target: int, earlier: int, *, inserted_from: range | None
    ) -> History:
        """The history of one target.

        The shot just before the target is always included: a caption without a place refers to that shot's place.
        `inserted_from`: inflate it with a shot of one of these stories; None does not inflate it.
        """
        others = sorted(rng.choice(target - 1, earlier - 1, replace=False).tolist()) if earlier else []
        before = [*others, target - 1][:earlier]
        clips = [self.latents[story, index] for index in before]
        casts = [self.cast[story, index] for index in before]
        species, who = self.looks[story, :, :, 0], self.who[story]
        settings = self.settings[story, before]
        labels = [float(self.relevance[story, target, index]) for index in before]
        real = [True] * earlier
        if inserted_from and earlier > 1:
            place = int(rng.integers(earlier))
            clips[place], labels[place] = self._inserted(rng, story, inserted_from)
            casts[place] = torch.zeros_like(casts[place])
            settings[place] = NO_LABEL
            real[place] = False
        return History(
            memory_FCHW=_frames(clips, like=self.latents[story, target]),
            cast_FAHW=_frames(casts, like=self.cast[story, target]),
            actors_EAK=with_roles(species[before], who[before], who[target].expand(earlier, -1)),
            settings_EK=settings,
            labels_E=torch.tensor(labels),
            real_E=torch.tensor(real, dtype=torch.bool),
        )

    def _inserted(self, rng: np.random.Generator, story: int, known: range) -> tuple[Tensor, float]:
        """Shot inflation (OneStory Eq. 9): a shot of another story, or an augmented copy of this story's first shot."""
        if rng.random() < 0.5:
            return self.augmented[story], AUGMENTED
        other = known.start + int(rng.integers(len(known)))
        return self.latents[other, int(rng.integers(self.latents.shape[1]))], FOREIGN


def _frames(clips: Sequence[Tensor], *, like: Tensor) -> Tensor:
    """Clips (C, T, H, W) as frames (F, C, H, W); F is 0 without clips."""
    return torch.cat([clip.transpose(0, 1) for clip in [like[:, :0], *clips]])


def encode_stories(path: Path, *, config: WorldConfig, data: StoryData, encode: Encode, emit: Emit) -> None:
    """Render and encode all stories into the file `path`, in fp16.

    It stores latents (S, J, C, T, H, W), the share of each cell that shows each actor (S, J, A, T, H, W) or an
    accessory (S, J, T, H, W), and an augmented copy (S, C, T, H, W) of each first shot.
    """
    latents, casts, worn, augmented = [], [], [], []
    seeds = range(data.seed, data.seed + data.stories)
    for index, (pixels, cast, details, _) in enumerate(render_stories(seeds, config=config, shots=data.shots)):
        encoded = encode(np.concatenate([pixels, augment(pixels[:1], seed=data.seed + index)])).half()
        latents.append(encoded[:-1])
        augmented.append(encoded[-1])
        actors = [pool_mask(cast == number, encoded.shape[-3:]) for number in range(1, MAX_ACTORS + 1)]
        casts.append(torch.stack(actors, dim=1).half())
        worn.append(pool_mask(details == ACCESSORY_DETAIL + 1, encoded.shape[-3:]).half())
        if (index + 1) % 50 == 0 or index + 1 == data.stories:
            emit(DataPrepared(what="latents", done=index + 1, total=data.stories))
    stored = {"latents": latents, "cast": casts, "worn": worn, "augmented": augmented}
    save_weights(path, {name: torch.stack(items) for name, items in stored.items()})


def pool_mask(masks_BPHW: NDArray[np.bool_], cells: Sequence[int]) -> Tensor:
    """The share of each latent cell (B, T, H, W) that a mask covers; the first latent frame is one pixel frame."""
    masks = torch.from_numpy(masks_BPHW).float()[:, None]
    frames, height, width = cells
    if masks.shape[2] == 1:
        return functional.adaptive_avg_pool3d(masks, (1, height, width))[:, 0]
    first = functional.adaptive_avg_pool3d(masks[:, :, :1], (1, height, width))
    rest = functional.adaptive_avg_pool3d(masks[:, :, 1:], (frames - 1, height, width))
    return torch.cat([first, rest], dim=2)[:, 0]


def _relevance_table(story: WorldStory) -> Tensor:
    """(J, J): relevance of each earlier shot for shot `target`; -1 for later shots."""
    count = len(story.shots)
    table = torch.full((count, count), -1.0)
    for target in range(1, count):
        table[target, :target] = torch.tensor(relevance(story, target))
    return table
