"""Plan, ShotJob and Reason: a story with every value resolved, as frozen dataclasses; and how seeds are derived.

Sizes are in pixels, `frames` in pixel frames, `budget` in latent frames of tokens. A *source* of memory is the id of an
earlier shot, or "@" and the id of a character or setting, whose reference image acts as a shot before the first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.memory.levels import CHARACTER
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.story.types import Audio, Output, Story

REFERENCE_MARK = "@"


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """A file that the story names: its path as written, the digest of its bytes, and the file that holds them.

    It is a picture, a sound, or a file of `include:`.
    """

    path: str
    sha256: str
    file: Path = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The image of a character or setting, visible to every shot as one latent frame of memory."""

    source: str
    image: ImageInput


@dataclass(frozen=True, kw_only=True)
class Appearances:
    """A character or setting that a caption mentions, and the memory sources that show it."""

    id: str
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CharacterCrop:
    """Of frames of `sources`, only the characters are read: those with these `looks`, cut out on white.

    `detector` is a name in `models.networks`; `weights` is the fingerprint of its weights, "" until it is downloaded.
    """

    detector: str
    weights: str
    looks: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MemoryJob:
    """What a shot may remember: at most `frames` frames of `sources`, in film order, references first.

    `shown` lists what the caption mentions and some source shows; empty unless the policy uses it. `guidance` is the
    strength of memory guidance, added to the shot's own guidance; 0 is off. A shot that `continues` also starts from
    the last frame of the latest source. `crop` is None if all frames are read whole.
    """

    frames: int
    budget: float
    policy: str
    sources: tuple[str, ...]
    shown: tuple[Appearances, ...] = ()
    guidance: float = 0.0
    continues: bool = False
    crop: CharacterCrop | None = None

    def level_of(self, source: str, level: str) -> str:
        """The name of the level of a frame of `source` that the budget gives `level`."""
        return CHARACTER if self.crop and source in self.crop.sources else level


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The cost of a shot: noise tokens, context tokens, and the tokens of one latent frame (a budget of 1)."""

    noise: int
    context: int
    per_frame: int


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Where a shot's seed comes from: `base` is the shot's own seed if `given`, else the story's."""

    base: int
    given: bool


@dataclass(frozen=True, kw_only=True)
class FirstShotModel:
    """The model for shots that start from their caption alone, if the plan's own model needs a first frame."""

    spec: ModelSpec
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class ShotJob:
    """One shot of a plan. `take` counts from 0; `caption` is the resolved caption.

    `accept`: "first" accepts the first take, "ask" waits for the user to accept one. `guidance_2` is for the second
    expert of a model with two. `first_shot_model` is None for the plan's own model. `trim` frames at the start are left
    out of the clip, because the previous clip ends with them.
    """

    index: int
    shot: str
    caption: str
    negative: str
    frames: int
    width: int
    height: int
    fps: int
    seed: int
    seed_rule: Seed
    take: int = 0
    steps: int
    guidance: float
    guidance_2: float | None = None
    scheduler: str
    shift: float
    accept: str = "first"
    image: ImageInput | None
    memory: MemoryJob
    tokens: Tokens
    first_shot_model: FirstShotModel | None = None
    subtitle: str = ""
    trim: int = 0

    @property
    def clip_frames(self) -> int:
        """Pixel frames of the clip."""
        return self.frames - self.trim


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound of the film, or of one shot."""

    audio: Audio
    input: ImageInput
    shot: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A story resolved on a model: one job per shot, in film order.

    `given` is the digest of a run's inputs for a plan that was read from that run; "" for a plan of a story file.
    """

    story: Story
    model: ModelSpec
    model_fingerprint: str
    jobs: tuple[ShotJob, ...]
    references: tuple[Reference, ...]
    output: Output
    first_shot_model: FirstShotModel | None = None
    sounds: tuple[Sound, ...] = ()
    included: tuple[ImageInput, ...] = ()
    given: str = field(default="", compare=False)

    def job(self, shot: str) -> ShotJob:
        """The job of a shot.

        Raises:
            OnestoryError: S230 if the plan has no such shot.
        """
        for job in self.jobs:
            if job.shot == shot:
                return job
        raise no_such_shot(shot, [job.shot for job in self.jobs])

    @property
    def inputs(self) -> tuple[ImageInput, ...]:
        """Every file that is needed to make the plan again: included files, pictures and sounds."""
        return (*self.included, *self.files)

    @property
    def files(self) -> tuple[ImageInput, ...]:
        """Every picture and sound that the film needs."""
        return (*self.images, *(sound.input for sound in self.sounds))

    @property
    def images(self) -> tuple[ImageInput, ...]:
        """Every picture that the plan needs: first frames and references."""
        first = [job.image for job in self.jobs if job.image is not None]
        return (*first, *(reference.image for reference in self.references))


def no_such_shot(shot: str, shots: list[str]) -> OnestoryError:
    hint = did_you_mean(shot, shots) or f"the shots are: {shorten(', '.join(shots))}"
    return OnestoryError("S230", f'no shot "{shorten(shot)}" in the story', help=hint, exit=ExitCode.USAGE)


def derive_seed(base: int, shot: str, take: int) -> int:
    """63 bits of H(seed, shot id, take). The position does not enter, so that moving a shot keeps its noise."""
    digest = hashlib.sha256(f"onestory seed 1\0{base}\0{shot}\0{take}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_of_take(rule: Seed, shot: str, take: int) -> int:
    """The seed of a shot's take. A seed given by the author is that of take 0; other takes derive theirs from it."""
    return rule.base if rule.given and take == 0 else derive_seed(rule.base, shot, take)


def retake(job: ShotJob, take: int) -> ShotJob:
    """The same shot as another take."""
    return replace(job, take=take, seed=seed_of_take(job.seed_rule, job.shot, take))


class ReasonKind(StrEnum):
    NEW = "new"
    CAPTION = "caption"
    SEED = "seed"
    SETTINGS = "settings"
    MODEL = "model"
    MEMORY = "memory"
    WAITS = "waits"
    IMAGE = "image"
    FORCED = "forced"
    DAMAGED = "damaged"
    INTERRUPTED = "interrupted"
    KEPT = "kept"
    IMPORTED = "imported"


CHANGES = (
    ReasonKind.MODEL,
    ReasonKind.CAPTION,
    ReasonKind.IMAGE,
    ReasonKind.SEED,
    ReasonKind.SETTINGS,
    ReasonKind.MEMORY,
)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """`str()` gives the text for people: "caption changed", "memory changed: opening[2] differs", "waits for city"."""

    kind: ReasonKind
    detail: str = ""

    def __str__(self) -> str:
        if self.kind is ReasonKind.WAITS:
            return f"waits for {self.detail}"
        words = f"{self.kind} changed" if self.kind in CHANGES else str(self.kind)
        return f"{words}: {self.detail}" if self.detail else words
