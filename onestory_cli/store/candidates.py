"""The takes of a shot from which one is accepted."""

from __future__ import annotations

from dataclasses import dataclass

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.planning.jobs import Plan, ShotJob, seed_of_take
from onestory_cli.store.keys import spec_fields
from onestory_cli.store.run import Run
from onestory_cli.store.takes import ShotTakes, Take
from onestory_cli.utils.text import quoted


@dataclass(frozen=True, kw_only=True)
class ListedTake:
    """A take, whether it counts, and whether it is made of what the story says now: its own seed and memory aside."""

    take: Take
    accepted: bool
    fits: bool


def list_takes(plan: Plan, run: Run, shot: str) -> tuple[ListedTake, ...]:
    """All whole takes of a shot by their numbers, the latest of a number first.

    Raises:
        OnestoryError: S230 when the story has no such shot.
    """
    job, entry = plan.job(shot), run.accepted().get(shot)
    counts = entry.folder if entry else ""
    takes_by_shot = run.takes_by_shot()
    takes = list(takes_by_shot.get(shot, ShotTakes()).takes)
    takes += [
        take
        for shot_takes in takes_by_shot.values()
        for take in shot_takes.takes
        if take.shot != shot and _name(take) == counts
    ]
    return tuple(
        ListedTake(take=take, accepted=_name(take) == counts, fits=_fits(take, job, plan.model_fingerprint))
        for take in sorted(takes, key=lambda take: take.record.take)
    )


def next_number(plan: Plan, run: Run, shot: str) -> int:
    """The number of the next take of a shot.

    Raises:
        OnestoryError: S230 when the story has no such shot.
    """
    return 1 + max((item.take.record.take for item in list_takes(plan, run, shot)), default=0)


def find_take(plan: Plan, run: Run, shot: str, which: str | None) -> Take:
    """The take of a number, or whose id begins so; None is the accepted one.

    Raises:
        OnestoryError: R411 when there is none, S230 when there is no such shot.
    """
    there = list_takes(plan, run, shot)
    if which is None:
        found = [item for item in there if item.accepted]
    elif len(which) < 4 and which.isdecimal():
        found = sorted((item for item in there if item.take.record.take == int(which)), key=_best_first)
    else:
        found = [item for item in there if item.take.id.startswith(which)]
    if not found:
        wanted = "no accepted take" if which is None else f'no take "{which}"'
        raise _no_take(f'"{shot}" has {wanted}', run, shot)
    return found[0].take


def acceptable_take(plan: Plan, run: Run, shot: str, which: str) -> Take:
    """A take that can count in the story as it is.

    Raises:
        OnestoryError: R411 when there is none, or it is made of something else; S230 when there is no such shot.
    """
    take = find_take(plan, run, shot, which)
    if not _fits(take, plan.job(shot), plan.model_fingerprint):
        raise _no_take(f'take "{which}" of "{shot}" is not made of what the story says now', run, shot)
    return take


def _fits(take: Take, job: ShotJob, fingerprint: str) -> bool:
    record = take.record
    seed = record.own_seed
    if seed is None:
        seed = seed_of_take(job.seed_rule, take.shot, record.take)
    return record.spec == {**spec_fields(job, fingerprint), "seed": seed}


def _best_first(item: ListedTake) -> tuple[bool, bool]:
    return (not item.fits, not item.accepted)


def _name(take: Take) -> str:
    return f"{take.shot}/{take.id}"


def _no_take(message: str, run: Run, shot: str) -> OnestoryError:
    help = f"`onestory take list {quoted(run.path)} {shot}` shows what there is"
    return OnestoryError("R411", message, help=help, exit=ExitCode.USAGE)
