"""Which takes nobody needs any more, and what they take up. The accepted takes are never among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from onestory_cli.plan import Plan
from onestory_cli.store.candidates import candidates
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take


def unused_takes(plan: Plan, run: Run) -> tuple[Take, ...]:
    """Takes that are not made of what the story says now, and those of shots that it has no more."""
    fitting = {item.take.folder for job in plan.jobs for item in candidates(plan, run, job.shot) if item.fits}
    return tuple(take for take in _not_accepted(run) if take.folder not in fitting)


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


def _not_accepted(run: Run) -> list[Take]:
    """The latest first within a shot."""
    counting = {Path(entry.folder) for entry in run.accepted().values()}
    takes = [take for shelf in run.shelves().values() for take in shelf.takes]
    return [take for take in takes if Path(take.shot, take.id) not in counting]
