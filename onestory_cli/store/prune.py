"""Which takes and partials nobody needs any more, and what they take up. Accepted takes are never among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from onestory_cli.plan import Plan, retake
from onestory_cli.store.candidates import candidates, next_number
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.reuse import Lookup
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take


def unused_takes(plan: Plan, run: Run) -> tuple[Take, ...]:
    """Takes that are not made of what the story says now, and those of shots that it has no more."""
    fitting = {item.take.folder for job in plan.jobs for item in candidates(plan, run, job.shot) if item.fits}
    return tuple(take for take in _not_accepted(run) if take.folder not in fitting)


def unused_partials(plan: Plan, run: Run) -> tuple[KeptPartial, ...]:
    """Work that was cut off and that no render would go on with: neither the take that is to count nor the next one.

    Where a shot is still to be decided, which take it will be is not known yet, and its partials stay.
    """
    shelves = run.shelves()
    lookup = Lookup(plan, shelves, accepted=run.accepted())
    decisions = {decision.job.shot: decision for decision in lookup.forecast()}
    digests: dict[str, str | None] = dict(lookup.references)
    digests |= {
        shot: item.take.digest if item.take and item.action == "keep" else None for shot, item in decisions.items()
    }
    unused: list[KeptPartial] = []
    for shot, shelf in shelves.items():
        decision = decisions.get(shot)
        if decision and decision.action == "undecided":
            continue
        jobs = (decision.job, retake(plan.job(shot), next_number(plan, run, shot))) if decision else ()
        needed = {lookup.key(job, digests) for job in jobs}
        unused += [item for item in shelf.partials if item.key not in needed]
    return tuple(unused)


def older_takes(run: Run, keep: int) -> tuple[Take, ...]:
    """All takes of each shot but the accepted one and the latest `keep` of the others."""
    seen: Counter[str] = Counter()
    found = []
    for take in _not_accepted(run):
        seen[take.shot] += 1
        if seen[take.shot] > keep:
            found.append(take)
    return tuple(found)


def freed_bytes(takes: Iterable[Take]) -> int:
    """What the disk gets back: a file that another take shares by a hard link stays."""
    files = [path.stat() for take in takes for path in take.folder.iterdir()]
    links = Counter((item.st_dev, item.st_ino) for item in files)
    sizes = {(item.st_dev, item.st_ino): (item.st_size, item.st_nlink) for item in files}
    return sum(size for inode, (size, shared) in sizes.items() if links[inode] == shared)


def remove_takes(run: Run, takes: Iterable[Take]) -> None:
    """Remove takes, each as a whole: a kill leaves it in its place or gone. The run must be locked."""
    for take in takes:
        with run.staging() as folder:
            run.disk.rename(take.folder, folder.with_name("pruned"))
            run.disk.sync(take.folder.parent)


def remove_partials(run: Run, partials: Iterable[KeptPartial]) -> None:
    """Remove work that was cut off, and the folders that held nothing else. The run must be locked."""
    for item in partials:
        alone = len(list(item.path.parent.iterdir())) == 1
        run.disk.remove(item.path.parent if alone else item.path)


def _not_accepted(run: Run) -> list[Take]:
    """The latest first within a shot."""
    counting = {Path(entry.folder) for entry in run.accepted().values()}
    takes = [take for shelf in run.shelves().values() for take in shelf.takes]
    return [take for take in takes if Path(take.shot, take.id) not in counting]
