"""Indexes over the takes of a run: by key and spec, and under the former ids of renamed shots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from onestory_cli.planning.jobs import Plan, Seed, ShotJob, retake
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.state import AcceptedTake
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


class Renames:
    """Finds the accepted takes of the shots of a plan under their present and former ids."""

    def __init__(self, plan: Plan, index: TakeKeyIndex, accepted: Mapping[str, AcceptedTake]) -> None:
        self._index, self._accepted = index, accepted
        jobs = {job.shot for job in plan.jobs}
        self._removed = tuple(name for name in index.shots if name not in jobs)
        self._story = {shot.id for shot in plan.story.shots}
        self._claims: dict[Path, str] = {}

    def accepted_job(self, job: ShotJob) -> ShotJob:
        """The job of the accepted take: with its number, and with its seed if that was given for it."""
        return _job_of(job, self._accepted.get(job.shot))

    def is_accepted(self, shot: str, take: Take) -> bool:
        """Whether a take with the spec of `take` is the accepted one, whatever memory it was rendered with."""
        entry = self._entry(shot, take)
        return entry is not None and entry.folder in self._index.paths_like(take)

    def is_chosen(self, shot: str, take: Take) -> bool:
        """Whether the user accepted the take with this number explicitly."""
        entry = self._entry(shot, take)
        return entry is not None and entry.chosen and entry.take == take.record.take

    def accepted_import(self, job: ShotJob) -> Take | None:
        """The accepted take of a shot if it was imported. A shot that got a new id keeps the take of its former id if
        their captions are the same."""
        if job.shot in self._accepted:
            return self._imported_take(self._accepted[job.shot])
        for name in self._former_ids(job.shot):
            take = self._imported_take(self._accepted[name]) if name in self._accepted else None
            if take and take.record.spec["caption"] == job.caption and self.claim(take, job.shot):
                return take
        return None

    def _imported_take(self, entry: AcceptedTake) -> Take | None:
        takes = self._index.of_shot(entry.folder.partition("/")[0]).takes
        return next((take for take in takes if take.record.imported and take.path == entry.folder), None)

    def _entry(self, shot: str, take: Take) -> AcceptedTake | None:
        """The accepted take with the spec of `take`: that of the shot, or of a removed one; otherwise the shot's."""
        like = self._index.paths_like(take)
        own = self._accepted.get(shot)
        removed = (entry for name, entry in self._accepted.items() if name not in self._story)
        return next((entry for entry in (own, *removed) if entry and entry.folder in like), own)

    def former_jobs(self, job: ShotJob) -> Iterator[ShotJob]:
        """The job as it was under each former id of its shot: a derived seed depends on the id."""
        for name in self._former_ids(job.shot):
            own = self._accepted.get(job.shot)
            entry = own if own and own.folder.startswith(f"{name}/") else self._accepted.get(name)
            former = _job_of(retake(replace(job, shot=name), 0), entry)
            if former.seed != job.seed:
                yield replace(former, shot=job.shot)

    def claim(self, take: Take, shot: str) -> bool:
        """Whether `shot` is the first one to claim a take of a former id: of two equal shots only one continues it."""
        return self._claims.setdefault(take.folder, shot) == shot

    def _former_ids(self, shot: str) -> tuple[str, ...]:
        """The ids that a shot may have had: that of its accepted take, then all that the plan does not have."""
        entry = self._accepted.get(shot)
        own = (entry.folder.partition("/")[0],) if entry else ()
        return tuple(name for name in dict.fromkeys((*own, *self._removed)) if name != shot)


def _job_of(job: ShotJob, entry: AcceptedTake | None) -> ShotJob:
    """The job of an accepted take."""
    if entry is None:
        return job
    if entry.seed is None:
        return retake(job, entry.take)
    return replace(job, take=entry.take, seed=entry.seed, seed_rule=Seed(base=entry.seed, given=True))
