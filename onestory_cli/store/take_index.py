"""An index over the takes of a run."""

from __future__ import annotations

from collections.abc import Mapping

from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.takes import ShotTakes, Take


class TakeKeyIndex:
    """The takes of a run by shot, by key and by spec; the latest first. It does not see later changes of the run."""

    def __init__(self, takes_by_shot: Mapping[str, ShotTakes]) -> None:
        self._by_shot = takes_by_shot
        self._by_key: dict[str, list[Take]] = {}
        self._by_spec: dict[str, list[Take]] = {}
        takes = [take for shot_takes in takes_by_shot.values() for take in shot_takes.takes]
        for take in sorted(takes, key=lambda take: -take.record.created):
            self._by_key.setdefault(take.record.key, []).append(take)
            self._by_spec.setdefault(take.record.spec_key, []).append(take)

    @property
    def shots(self) -> tuple[str, ...]:
        """The ids under which there are takes; shots may have been renamed since."""
        return tuple(self._by_shot)

    def of_shot(self, shot: str) -> ShotTakes:
        return self._by_shot.get(shot, ShotTakes())

    def partial(self, shot: str, key: str) -> KeptPartial | None:
        """The unfinished work on the take of this key."""
        return self.of_shot(shot).partial_of(key)

    def with_key(self, key: str, shot: str) -> Take | None:
        """A take with this key, preferably one in the folder of `shot`."""
        takes = _own_first(shot, self._by_key.get(key, []))
        return takes[0] if takes else None

    def with_spec(self, spec_key: str, shot: str) -> tuple[Take, ...]:
        """The takes with this spec, those in the folder of `shot` first."""
        return tuple(_own_first(shot, self._by_spec.get(spec_key, [])))

    def paths_like(self, take: Take) -> set[str]:
        """The paths of all takes with the spec of `take`."""
        return {item.path for item in self._by_spec.get(take.record.spec_key, ())}


def _own_first(shot: str, takes: list[Take]) -> list[Take]:
    return sorted(takes, key=lambda take: take.shot != shot)
