"""What the types of a record allow and no take has. Only a hand that sealed a record anew can have written that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.quality import RULES
from onestory_cli.store.checksummed_json import DamagedFileError
from onestory_cli.store.keys import Field

if TYPE_CHECKING:
    from onestory_cli.store.record import MemoryState, Record

_COUNTS = ("frames", "width", "height", "steps", "memory_frames")
_MOST = 1_000_000  # of any count
_LARGEST = 1e12  # of any other number: tokens, seconds, scores
# What whoever reads a take counts on; `keys.py` writes it.
_SPEC: Mapping[str, tuple[type, ...]] = {
    "model": (str,),
    "caption": (str,),
    "seed": (int,),
    **dict.fromkeys(_COUNTS, (int,)),
    "guidance": (int, float),
    "memory_budget": (int, float),
    "memory_policy": (str,),
}
_OF_SOME: Mapping[str, tuple[type, ...]] = {"memory_guidance": (int, float)}  # takes without one do not name it
_AMOUNTS = ("guidance", "memory_budget", "memory_guidance")
_CLIP: Mapping[str, tuple[type, ...]] = {"fps": (int,), "scale": (int,)}


def require_sense(record: Record) -> None:
    """Refuse a record that no take can have.

    Raises:
        BrokenSeal: a field is missing, a number is none that was counted or measured, or a name leads elsewhere.
    """
    _require_fields("spec", record.spec, _SPEC)
    _require_fields("spec", record.spec, {name: types for name, types in _OF_SOME.items() if name in record.spec})
    _require_fields("clip", record.clip, _CLIP)
    counts = [record.spec[name] for name in _COUNTS] + [record.clip[name] for name in _CLIP]
    if not all(isinstance(count, int) and 0 <= count < _MOST for count in counts):
        raise DamagedFileError("its numbers of frames, pixels and steps are none")
    _require_memory(record.memory)
    _require_measures(record)
    if not all(name == Path(name).name for name in (*record.files, record.shot)):
        raise DamagedFileError("its files lie elsewhere")


def _require_fields(name: str, found: Mapping[str, Field], expected: Mapping[str, tuple[type, ...]]) -> None:
    for field, types in expected.items():
        if type(found.get(field)) not in types:  # not isinstance: true is no number
            raise DamagedFileError(f'its {name} has no "{field}" that can be read')


def _require_memory(memory: MemoryState) -> None:
    seen, rows = memory.visible.keys(), memory.scores
    ends = {source: len(row) for source, row in rows.items() if row}
    if not (
        rows.keys() <= seen
        and all(frame.source in seen for frame in memory.selected)
        and all(0 <= frame.index < ends.get(frame.source, _MOST) for frame in memory.selected)
    ):
        raise DamagedFileError("it remembers frames that cannot be")
    tokens = [memory.noise_tokens, memory.context_tokens, *(frame.tokens for frame in memory.selected)]
    scores = [frame.score for frame in memory.selected] + [score for row in rows.values() for score in row]
    if not (_within(tokens, 0) and _within(scores, -_LARGEST)):
        raise DamagedFileError("its tokens and scores are none")


def _require_measures(record: Record) -> None:
    amounts = [amount for name in _AMOUNTS if isinstance(amount := record.spec.get(name), int | float)]
    if not _within([*record.seconds.values(), record.created, *amounts], 0):
        raise DamagedFileError("its times and its budget are none")
    values = [check.value for check in record.checks if check.value is not None]
    if not (
        all(check.name in RULES and 0 < check.limit < _LARGEST for check in record.checks)
        and _within([*values, *(value for colour in record.colours for value in colour)], -_LARGEST)
    ):
        raise DamagedFileError("its checks are none")


def _within(numbers: Iterable[float], low: float) -> bool:
    return all(low <= number <= _LARGEST for number in numbers)
