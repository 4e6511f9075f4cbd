"""The run and the story of a review at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onestory_cli.errors import Diagnostic, OnestoryError
from onestory_cli.planning.jobs import Plan
from onestory_cli.report.data import FilmReport, read_film
from onestory_cli.review.stamps import Stamp
from onestory_cli.review.verified import VerifiedRun
from onestory_cli.store.notes import TakeNote, read_notes
from onestory_cli.store.reuse import Decision, forecast
from onestory_cli.store.state import state_of
from onestory_cli.store.take_query import MissingShot, list_all_takes
from onestory_cli.story.edit import captions_by_shot
from onestory_cli.story.load import read_bytes
from onestory_cli.story.source import parse


@dataclass(frozen=True, kw_only=True)
class SnapshotStamps:
    """The stamps of all files that a snapshot depends on: the story and the files that it names, and the run."""

    inputs: Mapping[Path, Stamp | None]
    run: Mapping[Path, Stamp | None]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The run and the story at one moment.

    `version` counts the snapshots of a session. `plan` is that of the story file, or of the run without one; None if it
    has errors, which are `findings`.
    `decisions` say what the next render would do. `fits` are the paths of takes that may be accepted.
    """

    version: int
    stamps: SnapshotStamps
    film: FilmReport | None
    plan: Plan | None
    findings: tuple[Diagnostic, ...] = ()
    decisions: tuple[Decision, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    fits: frozenset[str] = frozenset()
    notes: Mapping[str, TakeNote] = field(default_factory=dict)

    @property
    def stale(self) -> dict[str, str]:
        """The shots that the next render would change, or may change, with the reason."""
        shown = {shot.id for shot in self.film.shots} if self.film else set()
        return {
            item.job.shot: str(item.why) for item in self.decisions if item.action != "keep" and item.job.shot in shown
        }

    @property
    def waiting(self) -> frozenset[str]:
        """The shots that have takes of which none is accepted, because of `accept: ask`."""
        return frozenset(shot.id for shot in self.film.shots if not shot.accepted) if self.film else frozenset()


def read_snapshot(
    run: VerifiedRun,
    story: Path | None,
    plan: Plan | None,
    *,
    version: int,
    findings: tuple[Diagnostic, ...],
    stamps: SnapshotStamps,
) -> Snapshot:
    """Read a run, and the captions of its story, whose `plan` and `findings` are known already.

    Raises:
        OnestoryError: the run cannot be read.
    """
    decisions = forecast(plan, run) if plan else ()
    rendered = _plan_of(run)
    return Snapshot(
        version=version,
        stamps=stamps,
        film=_read_film(run, plan, rendered),
        plan=plan,
        findings=findings,
        decisions=decisions,
        captions=_read_captions(story) if story else {},
        fits=_fitting_takes(run, rendered) if rendered else frozenset(),
        notes=read_notes(run.path),
    )


def _plan_of(run: VerifiedRun) -> Plan | None:
    """The plan of the last render; None without one, or if its model does not exist any more."""
    try:
        return run.plan()
    except OnestoryError:
        return None


def _read_film(run: VerifiedRun, plan: Plan | None, rendered: Plan | None) -> FilmReport | None:
    """The film of a run, whose plan is `rendered`; without a run, that of the story; None without either."""
    run.takes_by_shot()  # so that they are known
    if run.state():
        return read_film(run, known=run.known, unaccepted=True, story=rendered.story if rendered else None)
    if plan is None:
        return None
    return FilmReport(
        run=run.path,
        title=plan.story.title or run.path.name,
        state=state_of(plan, None),
        story=plan.story,
        shots=(),
        left_out=tuple(MissingShot(shot=job.shot) for job in plan.jobs),
    )


def _read_captions(story: Path) -> dict[str, str]:
    try:
        return captions_by_shot(parse(read_bytes(story), str(story)))
    except OnestoryError:
        return {}


def _fitting_takes(run: VerifiedRun, plan: Plan) -> frozenset[str]:
    return frozenset(item.take.path for takes in list_all_takes(plan, run).values() for item in takes if item.fits)
