"""record.json: the memory state of a shot and the provenance of its take.

It is written last and has a checksum, so a folder without a valid record is not a take. The *digest* of a source of
memory is the SHA-256 of the latents file of its take, or of the bytes of a reference image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.planning.jobs import Reason, ShotJob
from onestory_cli.quality import RULES, Check
from onestory_cli.store.checksummed_json import DamagedFileError, dump_checksummed, load_checksummed
from onestory_cli.store.disk import FileDigest
from onestory_cli.store.keys import Field, Spec, spec_key, take_key
from onestory_cli.utils.parsing import parse

FORMAT = 1

# Limits of values that a real render can write. The checksum of a record from a stranger may be valid all the same.
_COUNT = (0, 999_999)
_AMOUNT = (0.0, 1e12)
_SIGNED = (-1e12, 1e12)
_NUMBER = (int, float)
# Fields of `spec` and `clip`, whose values have no declared type: (types, range, whether the field may be absent).
_SPEC: dict[str, tuple[tuple[type, ...], tuple[float, float] | None, bool]] = {
    "model": ((str,), None, False),
    "caption": ((str,), None, False),
    "seed": ((int,), None, False),
    "frames": ((int,), _COUNT, False),
    "width": ((int,), _COUNT, False),
    "height": ((int,), _COUNT, False),
    "steps": ((int,), _COUNT, False),
    "memory_frames": ((int,), _COUNT, False),
    "guidance": (_NUMBER, _AMOUNT, False),
    "memory_budget": (_NUMBER, _AMOUNT, False),
    "memory_policy": ((str,), None, False),
    "memory_guidance": (_NUMBER, _AMOUNT, True),
    "memory_crop": ((str,), None, True),
}
_CLIP: dict[str, tuple[tuple[type, ...], tuple[float, float] | None, bool]] = {
    "fps": ((int,), _COUNT, False),
    "scale": ((int,), _COUNT, False),
    "trim": ((int,), _COUNT, True),
}


@dataclass(frozen=True, kw_only=True)
class MemoryState:
    """What a shot could see (source -> digest, in film order), the relevance of each frame, and what it selected.

    `scores` has one list per visible source, one number per latent frame; `selected` is in order of relevance. If the
    policy uses no scores, sources that became visible after the take was rendered have none. `shown` maps what the
    caption names to the sources that show it, if the policy uses it. Of frames of the `cropped` sources only the
    characters are read.
    """

    visible: Mapping[str, str]
    scores: Mapping[str, tuple[float, ...]]
    selected: tuple[SelectedFrame, ...]
    context_tokens: int
    noise_tokens: int
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cropped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImportedClip:
    """The file that a take was imported from: its name without folders, its digest, and what was changed, in words."""

    name: str
    sha256: str
    bytes: int
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.changes)})" if self.changes else self.name


@dataclass(frozen=True, kw_only=True)
class Record:
    """The full description of one take. `spec` and `clip` are as in `keys.py`; `seconds` maps phases to their time.

    `checks` are the measurements of its clip, and `colours` the mean CIELAB colour of each of its latent frames. Takes
    of early versions have neither. `imported` is None for a take that a model generated.
    """

    shot: str
    take: int
    seed_base: int
    seed_given: bool
    spec: Spec
    clip: Mapping[str, Field]
    memory: MemoryState
    reason: Reason
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    created: float
    checks: tuple[Check, ...] = ()
    colours: tuple[tuple[float, float, float], ...] = ()
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    imported: ImportedClip | None = None

    @property
    def own_seed(self) -> int | None:
        """The seed if it was given for this take; None if it follows from the base seed and the take's number."""
        return self.seed_base if self.seed_given and self.take and self.spec["seed"] == self.seed_base else None

    @property
    def spec_key(self) -> str:
        return spec_key(self.spec)

    @property
    def key(self) -> str:
        """The take's key, computed from the other fields."""
        memory = self.memory
        return take_key(self.spec_key, memory.visible, memory.shown, memory.cropped)

    @property
    def clip_size(self) -> tuple[int, int, int]:
        """(frames, width, height) of the clip, in pixels as encoded."""
        frames, width, height, scale = (
            int(value or 0) for value in (*map(self.spec.get, ("frames", "width", "height")), self.clip["scale"])
        )
        return max(0, frames - int(self.clip.get("trim") or 0)), width * scale, height * scale

    def has_clip_of(self, job: ShotJob) -> bool:
        """Whether it has the length, size and rate of a shot. Nothing else is required of an imported take."""
        spec, clip = self.spec, self.clip
        found = (spec["frames"], spec["width"], spec["height"], clip["fps"], clip.get("trim", 0))
        return found == (job.frames, job.width, job.height, job.fps, job.trim)

    def to_bytes(self) -> bytes:
        """The content of record.json, without empty entries that early versions do not know."""
        document = asdict(self)
        if self.imported is None:
            del document["imported"]
        if not self.memory.cropped:
            del document["memory"]["cropped"]
        return dump_checksummed({"format": FORMAT, "key": self.key, **document})

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """The record that `to_bytes` wrote.

        Raises:
            DamagedFileError: it is damaged, it has values that no take can have, or another version wrote it.
        """
        document = load_checksummed(data)
        if document.pop("format", None) != FORMAT:
            raise DamagedFileError("written by another version of onestory")
        key = document.pop("key", None)
        try:
            record: Record = parse(cls, document)
            if key != record.key:
                raise DamagedFileError("its key does not match its content")
        except (ValueError, KeyError) as fault:
            raise DamagedFileError(f"not a valid record: {fault}") from fault
        for problem in _problems(record):
            raise DamagedFileError(problem)
        return record


def _problems(record: Record) -> Iterator[str]:
    """The values that no take can have. Only a record whose checksum was forged has any."""
    for name, found, fields in (("spec", record.spec, _SPEC), ("clip", record.clip, _CLIP)):
        for key, (types, bounds, optional) in fields.items():
            value = found.get(key)
            if optional and key not in found:
                continue
            if type(value) not in types:  # not isinstance: True is an int
                yield f'its {name} has no valid "{key}"'
            elif bounds and isinstance(value, int | float) and not _within([value], bounds):
                yield f'"{key}" of its {name} is out of range'
    memory = record.memory
    if not _frames_exist(memory):
        yield "it remembers frames that do not exist"
    for name, numbers, bounds in (
        ("a number of tokens", [memory.noise_tokens, memory.context_tokens], _AMOUNT),
        ("a number of tokens", (frame.tokens for frame in memory.selected), _AMOUNT),
        ("a score", (frame.score for frame in memory.selected), _SIGNED),
        ("a score", (score for row in memory.scores.values() for score in row), _SIGNED),
        ("a time", [*record.seconds.values(), record.created], _AMOUNT),
        ("a quality check", (check.value for check in record.checks if check.value is not None), _SIGNED),
        ("the limit of a quality check", (check.limit for check in record.checks), _AMOUNT),
        ("a colour", (value for colour in record.colours for value in colour), _SIGNED),
    ):
        if not _within(numbers, bounds):
            yield f"{name} is out of range"
    if not all(check.name in RULES and check.limit for check in record.checks):
        yield "it has an unknown quality check"
    if not all(name == Path(name).name for name in (*record.files, record.shot)):
        yield "it names a file outside of its folder"


def _frames_exist(memory: MemoryState) -> bool:
    lengths = {source: len(row) for source, row in memory.scores.items() if row}
    return memory.scores.keys() <= memory.visible.keys() and all(
        frame.source in memory.visible and 0 <= frame.index < lengths.get(frame.source, _COUNT[1])
        for frame in memory.selected
    )


def _within(numbers: Iterable[float], bounds: tuple[float, float]) -> bool:
    """Whether all numbers are in a range; NaN is in none."""
    return all(bounds[0] <= number <= bounds[1] for number in numbers)
