"""record.json: the memory state of a shot and the provenance of its take.

It is written last and sealed, so a take without a whole record is no take. A *digest* of a source of memory is that of
the latents file of its take, or of the bytes of a reference image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from onestory_cli.memory.frames import SelectedFrame
from onestory_cli.planning.reasons import Reason
from onestory_cli.quality import Check
from onestory_cli.store.checksummed_json import DamagedFileError, dump_checksummed, load_checksummed
from onestory_cli.store.disk import FileDigest
from onestory_cli.store.keys import Field, Spec, spec_key, take_key
from onestory_cli.store.sense import require_sense
from onestory_cli.utils.parsing import build

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class MemoryState:
    """What a shot could see (source -> digest, in film order), how relevant each frame was, and what it took.

    `scores` has one list per visible source, one number per latent frame; `selected` is in order of relevance. Where
    the policy asks for no scores, sources that came after the take was made have none. `shown` has what the caption
    names and the sources that show it, where the policy asks for it.
    """

    visible: Mapping[str, str]
    scores: Mapping[str, tuple[float, ...]]
    selected: tuple[SelectedFrame, ...]
    context_tokens: int
    noise_tokens: int
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One take, told in full. `spec` and `clip` are as in `keys.py`; `seconds` names the phases of the work.

    `checks` are what was measured on its clip, and `colours` the mean colour of each latent frame of it in CIELAB; a
    take that was made before there were checks has none.
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

    @property
    def own_seed(self) -> int | None:
        """The seed, where it was given for this very take; else it follows from the base and the take's number."""
        return self.seed_base if self.seed_given and self.take and self.spec["seed"] == self.seed_base else None

    @property
    def spec_key(self) -> str:
        return spec_key(self.spec)

    @property
    def key(self) -> str:
        """The take's key, worked out from what the record states."""
        return take_key(self.spec_key, self.memory.visible, self.memory.shown)

    @property
    def clip_size(self) -> tuple[int, int, int]:
        """(frames, width, height) of the clip, in pixels as encoded."""
        frames, width, height, scale = (
            int(value or 0) for value in (*map(self.spec.get, ("frames", "width", "height")), self.clip["scale"])
        )
        return frames, width * scale, height * scale

    def to_bytes(self) -> bytes:
        """The sealed document."""
        return dump_checksummed({"format": FORMAT, "key": self.key, **asdict(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """The record that `to_bytes` wrote.

        Raises:
            BrokenSeal: it is not whole, no take can have it, or another version wrote it.
        """
        document = load_checksummed(data)
        if document.pop("format", None) != FORMAT:
            raise DamagedFileError("another version of onestory wrote it")
        key = document.pop("key", None)
        try:
            record: Record = build(cls, document)
            if key != record.key:
                raise DamagedFileError("its key is not that of what it states")
        except (ValueError, KeyError) as fault:
            raise DamagedFileError(f"it is no record: {fault}") from fault
        require_sense(record)
        return record
