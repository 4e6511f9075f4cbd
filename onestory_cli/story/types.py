"""Story, Character, Setting, Shot: the screenplay after the merge rule, as frozen dataclasses.

Fields that the author left out are None; `planning` fills them with the model's defaults. The merge rule is model
defaults < story defaults < profile < shot; the last three are merged when a Story is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onestory_cli.errors import Place

MAX_SEED = 2**53 - 1  # of a story: the largest integer that every JSON reader keeps exact
MAX_SHOT_SEED = 2**63 - 1  # of a shot and its takes


@dataclass(frozen=True, kw_only=True)
class MemoryRequest:
    """`memory:` of a shot. None means the model's default; `sources` None means all earlier shots."""

    frames: int | None = None
    budget: float | None = None
    sources: tuple[str, ...] | None = None
    policy: str | None = None
    guidance: float | None = None
    crop: str | None = None  # "auto" | "none" | the name of a detector


@dataclass(frozen=True, kw_only=True)
class Audio:
    """`audio:` of a story or a shot. `file` is relative to the story's folder; gain is in decibels, times in seconds.

    `offset` counts from the start of the film or the shot. Music is lowered during narration.
    """

    file: str
    role: str  # "music" | "narration" | "effect"
    gain: float = 0.0
    offset: float = 0.0
    fade_in: float = 0.0
    fade_out: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Character:
    id: str
    look: str
    again: str
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    id: str
    look: str
    again: str
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A `$id` in a caption: its declaration, whether the full look was used, and its span in the resolved caption."""

    id: str
    kind: str  # "character" | "setting"
    full: bool
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot after merging defaults, profile and its own keys; None means the model's default.

    `caption` is the author's text, `resolved_caption` what the model sees (style included). `duration` is in seconds.
    `image` is relative to the story's folder. `subtitle` is for viewers only. `places` maps keys ("caption",
    "duration", "memory.from", ...) to their place in the file, for findings of the planner.
    """

    id: str
    caption: str
    resolved_caption: str
    mentions: tuple[Mention, ...] = ()
    negative: str | None = None
    seed: int | None = None
    duration: float | None = None
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    shift: float | None = None
    image: str | None = None
    accept: str | None = None
    captions: str | None = None  # "auto" | "referential" | "full"
    cut: bool | None = None
    memory: MemoryRequest = MemoryRequest()
    audio: Audio | None = None
    subtitle: str = ""
    places: dict[str, Place] = field(default_factory=dict, compare=False, repr=False, hash=False)


@dataclass(frozen=True, kw_only=True)
class Output:
    """`output:` of a story: how clips are encoded. The model does not see it."""

    scale: int | None = None
    filter: str = "nearest"  # "nearest" | "lanczos"
    crf: int = 16


@dataclass(frozen=True, kw_only=True)
class LoraRequest:
    """An entry of `lora:`: a `path` relative to the story's folder, or a `file` of a repository of the `hub`.

    `expert` is high, low or both.
    """

    path: str = ""
    hub: str = ""
    file: str = ""
    weight: float = 1.0
    expert: str = "both"

    @property
    def name(self) -> str:
        """What the story writes: the path, or repository and file."""
        return self.path or f"{self.hub}/{self.file}"


@dataclass(frozen=True, kw_only=True)
class IncludedFile:
    """A file of `include:`: its path as written, its bytes, and the ids that it adds to the story."""

    path: str
    source: bytes = field(repr=False)
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Story:
    """A whole screenplay. `path` is its file, `source` the bytes of the file, `seed` the story's own seed.

    `model` is what `model:` names; `external` is its map if it names a workflow or a command. `first_shot_model`
    generates shots that have neither a first frame nor a memory. `preset` is that of the profile.
    """

    path: str
    source: bytes = field(repr=False)
    title: str
    model: str
    external: Mapping[str, Any] | None = field(default=None, hash=False)
    first_shot_model: str | None = None
    seed: int = 0
    fps: int | None = None
    style: str = ""
    characters: tuple[Character, ...] = ()
    settings: tuple[Setting, ...] = ()
    included: tuple[IncludedFile, ...] = ()
    shots: tuple[Shot, ...] = ()
    output: Output = Output()
    loras: tuple[LoraRequest, ...] = ()
    preset: str | None = None
    audio: Audio | None = None
    profile: str | None = None
    places: dict[str, Place] = field(default_factory=dict, compare=False, repr=False, hash=False)

    @property
    def declared(self) -> tuple[Character | Setting, ...]:
        """Everything that a caption can refer to: characters, then settings."""
        return (*self.characters, *self.settings)
