"""Which takes, partials and latents of pictures nobody needs any more, and their size. Never an accepted take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.planning.jobs import Plan, retake
from onestory_cli.store.candidates import list_takes, next_number
from onestory_cli.store.references import kept_references, planned_references, seen_references
from onestory_cli.store.reuse import Lookup
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import accepted_records


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """What may go: takes, the work on takes, and the latents of pictures."""

    takes: tuple[Take, ...]
    partials: tuple[Path, ...] = ()
    references: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        """What the disk gets back: a file that another take shares by a hard link stays."""
        files = [path.stat() for take in self.takes for path in take.folder.iterdir()]
        links = Counter((item.st_dev, item.st_ino) for item in files)
        sizes = {(item.st_dev, item.st_ino): (item.st_size, item.st_nlink) for item in files}
        alone = sum(path.stat().st_size for path in (*self.partials, *self.references))
        return alone + sum(size for inode, (size, shared) in sizes.items() if links[inode] == shared)


def unused(plan: Plan, run: Run) -> Leftovers:
    """All that the story has no use for now."""
    takes = unused_takes(plan, run)
    going = {take.folder for take in takes}  # with all that lies in them
    partials = tuple(path for path in unused_partials(plan, run) if path.parent not in going)
    return Leftovers(takes=takes, partials=partials, references=unused_references(plan, run))


def unused_takes(plan: Plan, run: Run) -> tuple[Take, ...]:
    """Takes that are not made of what the story says now, and those of shots that it has no more."""
    fitting = {item.take.folder for job in plan.jobs for item in list_takes(plan, run, job.shot) if item.fits}
    return tuple(take for take in _not_accepted(run) if take.folder not in fitting)


def unused_partials(plan: Plan, run: Run) -> tuple[Path, ...]:
    """Work that was cut off and that no render would go on with: neither the take that is to count nor the next one.

    Where a shot is still to be decided, which take it will be is not known yet, and its partials stay.
    """
    takes_by_shot = run.takes_by_shot()
    lookup = Lookup(plan, takes_by_shot, accepted=run.accepted())
    decisions = {decision.job.shot: decision for decision in lookup.forecast()}
    digests: dict[str, str | None] = dict(lookup.references)
    digests |= {
        shot: item.take.digest if item.take and item.action == "keep" else None for shot, item in decisions.items()
    }
    unused: list[Path] = []
    for shot, shot_takes in takes_by_shot.items():
        decision = decisions.get(shot)
        if decision and decision.action == "undecided":
            continue
        jobs = (decision.job, retake(plan.job(shot), next_number(plan, run, shot))) if decision else ()
        needed = {lookup.key(job, digests) for job in jobs}
        unused += [item.path for item in shot_takes.partials if item.key not in needed]
    return tuple(unused)


def unused_references(plan: Plan, run: Run) -> tuple[Path, ...]:
    """Latents of pictures that neither the plan can need nor a take that counts has seen: of another picture, model or
    size."""
    seen = seen_references(run.path, accepted_records(run.accepted(), run.takes_by_shot()))
    return tuple(sorted(kept_references(run.path) - planned_references(run.path, plan) - seen))


def older_takes(run: Run, keep: int) -> Leftovers:
    """All takes of each shot but the accepted one and the latest `keep` of the others."""
    seen: Counter[str] = Counter()
    found = []
    for take in _not_accepted(run):
        seen[take.shot] += 1
        if seen[take.shot] > keep:
            found.append(take)
    return Leftovers(takes=tuple(found))


def remove(run: Run, leftovers: Leftovers) -> None:
    """Remove what nobody needs; of a take a kill leaves all or nothing. The run must be locked."""
    for take in leftovers.takes:
        with run.staging() as folder:
            run.disk.rename(take.folder, folder.with_name("pruned"))
            run.disk.sync(take.folder.parent)
    for path in leftovers.partials:
        alone = len(list(path.parent.iterdir())) == 1
        run.disk.remove(path.parent if alone else path)
    for path in leftovers.references:
        run.disk.remove(path)


def _not_accepted(run: Run) -> list[Take]:
    """The latest first within a shot."""
    counting = {Path(entry.folder) for entry in run.accepted().values()}
    takes = [take for shot_takes in run.takes_by_shot().values() for take in shot_takes.takes]
    return [take for take in takes if Path(take.shot, take.id) not in counting]
