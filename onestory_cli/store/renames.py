"""Accepted takes and renamed shots: a take is found although its shot had another id when it was rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from onestory_cli.planning.jobs import Plan, Seed, ShotJob, retake
from onestory_cli.store.state import AcceptedTake
from onestory_cli.store.take_index import TakeKeyIndex
from onestory_cli.store.takes import Take


class Renames:
    """Finds the accepted takes of the shots of a plan under their present and former ids."""

    def __init__(self, plan: Plan, index: TakeKeyIndex, accepted: Mapping[str, AcceptedTake]) -> None:
        self._index, self._accepted = index, accepted
        self._jobs = {job.shot for job in plan.jobs}
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
        """The accepted take of a shot; if there is none, that of a removed shot with the spec of `take`."""
        if shot in self._accepted:
            return self._accepted[shot]
        like = self._index.paths_like(take)
        removed = (entry for name, entry in self._accepted.items() if name not in self._story)
        return next((entry for entry in removed if entry.folder in like), None)

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
        removed = (name for name in self._index.shots if name not in self._jobs)
        return tuple(name for name in dict.fromkeys((*own, *removed)) if name != shot)


def _job_of(job: ShotJob, entry: AcceptedTake | None) -> ShotJob:
    """The job of an accepted take."""
    if entry is None:
        return job
    if entry.seed is None:
        return retake(job, entry.take)
    return replace(job, take=entry.take, seed=entry.seed, seed_rule=Seed(base=entry.seed, given=True))
