"""Find takes, partials and latents of reference images that are not needed any more. Accepted takes always are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.planning.jobs import Plan, retake
from onestory_cli.store.references import planned_references, saved_references, seen_references
from onestory_cli.store.reuse import Lookup
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import list_all_takes, next_number
from onestory_cli.store.takes import Take, set_aside_takes
from onestory_cli.store.verify import accepted_records
from onestory_cli.store.writer import RunWriter, staging_folder


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """What can be removed: takes, partials, latents of reference images, and damaged takes that were set aside."""

    takes: tuple[Take, ...]
    partials: tuple[Path, ...] = ()
    references: tuple[Path, ...] = ()
    damaged: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        """The disk space that removing them frees. A file that another take shares by a hard link frees none."""
        folders = [*(take.folder for take in self.takes), *self.damaged]
        files = [path.stat() for folder in folders for path in folder.iterdir()]
        links = Counter((item.st_dev, item.st_ino) for item in files)
        sizes = {(item.st_dev, item.st_ino): (item.st_size, item.st_nlink) for item in files}
        alone = sum(path.stat().st_size for path in (*self.partials, *self.references))
        return alone + sum(size for inode, (size, shared) in sizes.items() if links[inode] == shared)


def unused(plan: Plan, run: Run) -> Leftovers:
    """Everything that the current story does not use."""
    takes = unused_takes(plan, run)
    removed = {take.folder for take in takes}  # with everything in them
    partials = tuple(path for path in unused_partials(plan, run) if path.parent not in removed)
    return Leftovers(takes=takes, partials=partials, references=unused_references(plan, run))


def unused_takes(plan: Plan, run: Run) -> tuple[Take, ...]:
    """Takes that were rendered from another version of the story, and those of shots that it does not have any more."""
    fitting = {item.take.folder for takes in list_all_takes(plan, run).values() for item in takes if item.fits}
    return tuple(take for take in _not_accepted(run) if take.folder not in fitting)


def unused_partials(plan: Plan, run: Run) -> tuple[Path, ...]:
    """Partials that no render would resume: neither that of the accepted take nor that of the next take.

    Partials of undecided shots are kept, because their next take is not known yet.
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
    """Latents of reference images that neither the plan nor an accepted take uses: of another image, model or size."""
    seen = seen_references(run.path, accepted_records(run.accepted(), run.takes_by_shot()))
    return tuple(sorted(saved_references(run.path) - planned_references(run.path, plan) - seen))


def set_aside(run: Run) -> Leftovers:
    """Damaged takes that were set aside when a new take replaced them."""
    return Leftovers(takes=(), damaged=set_aside_takes(run.path))


def older_takes(run: Run, keep: int) -> Leftovers:
    """The takes of each shot, except the accepted one and the latest `keep` of the others."""
    seen: Counter[str] = Counter()
    found = []
    for take in _not_accepted(run):
        seen[take.shot] += 1
        if seen[take.shot] > keep:
            found.append(take)
    return Leftovers(takes=tuple(found))


def remove(writer: RunWriter, leftovers: Leftovers) -> None:
    """Remove leftovers. A kill leaves each take complete or removed."""
    for take in leftovers.takes:
        folder = staging_folder(writer.path)  # no folder is created: the disk may be full
        writer.check()
        writer.disk.rename(take.folder, folder)
        writer.disk.sync(take.folder.parent)
        writer.disk.remove(folder)
    for path in leftovers.partials:
        alone = len(list(path.parent.iterdir())) == 1
        writer.disk.remove(path.parent if alone else path)
    for path in (*leftovers.references, *leftovers.damaged):
        writer.disk.remove(path)


def _not_accepted(run: Run) -> list[Take]:
    """The takes that are not accepted, the latest of a shot first."""
    accepted = {entry.folder for entry in run.accepted().values()}
    takes = [take for shot_takes in run.takes_by_shot().values() for take in shot_takes.takes]
    return [take for take in takes if take.path not in accepted]
