"""Queries over the takes of a run: the accepted ones, and those of one shot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError
from onestory_cli.planning.jobs import Plan, ShotJob, seed_of_take
from onestory_cli.store.keys import spec_fields
from onestory_cli.store.layout import SHOTS
from onestory_cli.store.run import Run
from onestory_cli.store.state import AcceptedTake, RunState
from onestory_cli.store.takes import Damage, ShotTakes, Take, read_take
from onestory_cli.utils.text import shell_quote


@dataclass(frozen=True, kw_only=True)
class MissingShot:
    """A shot without a valid accepted take. `damage` is None if it was never rendered."""

    shot: str
    damage: Damage | None = None

    @property
    def why(self) -> str:
        return str(self.damage) if self.damage else "not rendered"


@dataclass(frozen=True, kw_only=True)
class AcceptedTakes:
    """The valid accepted takes by shot, and the shots without one; both in film order."""

    takes: Mapping[str, Take]
    left_out: tuple[MissingShot, ...]


def accepted_takes(
    run: Path, state: RunState, shots: Iterable[str], *, known: Mapping[Path, Take] = MappingProxyType({})
) -> AcceptedTakes:
    """The accepted take of each of `shots`, every byte verified, except `known` ones, which were verified before."""
    entries = {shot: state.shots.get(shot) for shot in shots}
    folders = {shot: run / SHOTS / entry.folder if entry else None for shot, entry in entries.items()}
    found = {shot: known.get(folder) or read_take(folder) if folder else None for shot, folder in folders.items()}
    return AcceptedTakes(
        takes={shot: take for shot, take in found.items() if isinstance(take, Take)},
        left_out=tuple(MissingShot(shot=shot, damage=it) for shot, it in found.items() if not isinstance(it, Take)),
    )


@dataclass(frozen=True, kw_only=True)
class PartialFilm:
    """Base of a film that is read from a run directory, where shots may be missing."""

    run: Path
    left_out: tuple[MissingShot, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(item.shot for item in self.left_out)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """W801 with every missing shot and the damaged file; empty if no shot is missing."""
        if not self.left_out:
            return ()
        message = f"skipped, no take: {', '.join(map(self._described, self.left_out))}"
        help = f"onestory resume {shell_quote(self.run)}"
        return (Diagnostic(code="W801", message=message, severity="warning", help=help),)

    def _described(self, item: MissingShot) -> str:
        if item.damage is None:
            return item.shot
        return f"{item.shot} ({item.damage.path.relative_to(self.run)}: {item.damage.why})"


@dataclass(frozen=True, kw_only=True)
class ListedTake:
    """A take of a shot. `fits`: whether it was rendered from the story as it is now, seed and memory aside."""

    take: Take
    accepted: bool
    fits: bool


def list_takes(plan: Plan, run: Run, shot: str) -> tuple[ListedTake, ...]:
    """All valid takes of a shot by number, the latest of a number first.

    Raises:
        OnestoryError: S230 if the story has no such shot.
    """
    return _listed(plan.job(shot), plan, run.takes_by_shot(), run.accepted())


def list_all_takes(plan: Plan, run: Run) -> dict[str, tuple[ListedTake, ...]]:
    """As `list_takes`, for every shot of the plan. Each take is read once."""
    takes_by_shot, accepted = run.takes_by_shot(), run.accepted()
    return {job.shot: _listed(job, plan, takes_by_shot, accepted) for job in plan.jobs}


def _listed(
    job: ShotJob, plan: Plan, takes_by_shot: Mapping[str, ShotTakes], accepted_by_shot: Mapping[str, AcceptedTake]
) -> tuple[ListedTake, ...]:
    entry = accepted_by_shot.get(job.shot)
    accepted = entry.folder if entry else ""
    former = accepted.partition("/")[0]  # another folder if the take was accepted under the shot's former id
    takes = [
        take
        for name in {job.shot, former}
        for take in takes_by_shot.get(name, ShotTakes()).takes
        if name == job.shot or take.path == accepted
    ]
    return tuple(
        ListedTake(take=take, accepted=take.path == accepted, fits=_fits(take, job, plan.model_fingerprint))
        for take in sorted(takes, key=lambda take: (take.record.take, take.shot != job.shot))
    )


def next_number(plan: Plan, run: Run, shot: str) -> int:
    """The number of the next take of a shot.

    Raises:
        OnestoryError: S230 if the story has no such shot.
    """
    return 1 + max((item.take.record.take for item in list_takes(plan, run, shot)), default=0)


def find_take(plan: Plan, run: Run, shot: str, which: str | None) -> Take:
    """The take with a number, or with an id that starts with `which`. None means the accepted take.

    Raises:
        OnestoryError: R411 if there is no such take, S230 if there is no such shot.
    """
    takes = list_takes(plan, run, shot)
    if which is None:
        found = [item for item in takes if item.accepted]
    elif len(which) < 4 and which.isdecimal():
        found = sorted((item for item in takes if item.take.record.take == int(which)), key=_best_first)
    else:
        found = [item for item in takes if item.take.id.startswith(which)]
    if not found:
        wanted = "no accepted take" if which is None else f'no take "{which}"'
        raise _no_take(f'"{shot}" has {wanted}', run, shot)
    return found[0].take


def acceptable_take(plan: Plan, run: Run, shot: str, which: str) -> Take:
    """As `find_take`, but only a take that was rendered from the story as it is now.

    Raises:
        OnestoryError: R411 if there is no such take, S230 if there is no such shot.
    """
    take = find_take(plan, run, shot, which)
    if not _fits(take, plan.job(shot), plan.model_fingerprint):
        raise _no_take(f'take "{which}" of "{shot}" was rendered from another version of the shot', run, shot)
    return take


def _fits(take: Take, job: ShotJob, fingerprint: str) -> bool:
    record = take.record
    if record.imported:
        return record.has_clip_of(job)
    seed = record.own_seed
    if seed is None:
        seed = seed_of_take(job.seed_rule, take.shot, record.take)
    return record.spec == {**spec_fields(job, fingerprint), "seed": seed}


def _best_first(item: ListedTake) -> tuple[bool, bool]:
    return (not item.fits, not item.accepted)


def _no_take(message: str, run: Run, shot: str) -> OnestoryError:
    help = f"list the takes with `onestory take list {shell_quote(run.path)} {shot}`"
    return OnestoryError("R411", message, help=help, exit=ExitCode.USAGE)
