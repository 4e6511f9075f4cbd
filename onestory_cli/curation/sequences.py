"""Which shots of a video belong together: scenes, foreign inserts, and the sequences that become training samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from onestory_cli.curation.embeddings import similarity
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.recipe import SequenceSettings

MAX_INSERT = 2  # shots; a longer run of other footage is a separate scene


def foreign_shots(shots: Sequence[CuratedShot], threshold: float, window: int) -> Iterator[tuple[str, str]]:
    """Yield (shot id, reason) for shots that have nothing to do with those around them.

    Without embeddings nothing is known, and nothing is rejected.
    """
    if len(shots) < 2 or not all(shot.embeddings for shot in shots):
        return
    groups = _groups(shots, threshold, window)
    for members in groups:
        nested = any(other[0] < members[0] and members[-1] < other[-1] for other in groups)
        if len(members) > (MAX_INSERT if nested else 1):
            continue
        what = "foreign insert" if nested else "unrelated to its neighbours"
        for index in members:
            near = [other for other in _near(index, len(shots), window) if other not in members]
            likeness = max(similarity(shots[index].embeddings, shots[other].embeddings) for other in near)
            yield shots[index].id, f"{what}: {likeness:.2f}, below {threshold:g}"


def sequences_of(
    shots: Sequence[CuratedShot], limits: SequenceSettings, threshold: float | None = None
) -> list[tuple[CuratedShot, ...]]:
    """Return runs of kept shots of one scene each, in order, of `min_shots` to `max_shots` shots.

    A scene with more shots is split into runs of about equal length; one with fewer is left out.
    """
    runs = []
    for scene in _scenes([shot for shot in shots if not shot.rejected], threshold, limits.max_shots - 1):
        parts = -(-len(scene) // limits.max_shots)
        edges = [len(scene) * part // parts for part in range(parts + 1)]
        runs += [tuple(scene[start:end]) for start, end in pairwise(edges)]
    return [run for run in runs if len(run) >= limits.min_shots]


def _scenes(kept: Sequence[CuratedShot], threshold: float | None, window: int) -> Iterator[Sequence[CuratedShot]]:
    """Runs of shots that no related pair spans the edge of."""
    if not kept:
        return
    if threshold is None or not all(shot.embeddings for shot in kept):
        yield kept
        return
    start, reach = 0, 0
    ends = {members[0]: members[-1] for members in _groups(kept, threshold, window)}
    for index in range(len(kept)):
        if index > reach:
            yield kept[start:index]
            start = index
        reach = max(reach, ends.get(index, index))
    yield kept[start:]


def _groups(shots: Sequence[CuratedShot], threshold: float, window: int) -> list[list[int]]:
    """Connected components of related shots at most `window` apart, as sorted indices."""
    roots = list(range(len(shots)))

    def root(index: int) -> int:
        while roots[index] != index:
            index = roots[index]
        return index

    for index, shot in enumerate(shots):
        for other in range(max(0, index - window), index):
            if root(index) != root(other) and _related(shot, shots[other], threshold):
                roots[root(index)] = root(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(shots)):
        groups[root(index)].append(index)
    return list(groups.values())


def _related(one: CuratedShot, other: CuratedShot, threshold: float) -> bool:
    """Whether two shots share a character or a setting, or look alike."""
    if {*one.ids.characters} & {*other.ids.characters} or (one.ids.setting and one.ids.setting == other.ids.setting):
        return True
    return similarity(one.embeddings, other.embeddings) >= threshold


def _near(index: int, count: int, window: int) -> list[int]:
    return [other for other in range(max(0, index - window), min(count, index + window + 1)) if other != index]
