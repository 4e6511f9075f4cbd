"""What a review shows and does: one run, its story, and the actions on them. No web here.

Every method may be called from any thread; changes take the run's lock, as the commands do.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onestory_cli.errors import Diagnostic, ExitCode, Findings, OnestoryError
from onestory_cli.planning.compile import compile_story, plan_story
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.feasibility import seconds_per_token_step, token_steps
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.report.data import FilmReport, read_film
from onestory_cli.report.page import ReviewState
from onestory_cli.review.verified import VerifiedRun
from onestory_cli.store.layout import FILM, NOTES, STATE
from onestory_cli.store.notes import MAX_NOTE, TakeNote, read_notes, write_note
from onestory_cli.store.reuse import Decision, Lookup
from onestory_cli.store.state import AcceptedTake, state_of
from onestory_cli.store.take_query import MissingShot, acceptable_take, find_take, list_all_takes
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.edit import caption_of, replace_caption
from onestory_cli.story.load import read_bytes, read_story
from onestory_cli.story.source import parse
from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.text import duration, pluralize

Signature = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The run and the story at one moment.

    `plan` is that of the story file, or of the run without one; None if it has errors, which are `findings`.
    `decisions` say what the next render would do. `fits` are the paths of takes that may be accepted.
    """

    signature: Signature
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


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an action makes stale, and the seconds to render that; None while no take tells the speed."""

    shots: tuple[str, ...]
    certain: bool
    seconds: float | None

    def __str__(self) -> str:
        if not self.shots:
            return "nothing becomes stale"
        up_to = "" if self.certain else "up to "
        time = "" if self.seconds is None else f", about {duration(self.seconds)}"
        return f"{up_to}{pluralize(len(self.shots), 'shot')} stale{time}"


class ReviewSession:
    """A run that is reviewed. `story` is the file it was rendered from, None if captions cannot be edited."""

    def __init__(self, run: Path, story: Path | None, *, profile: str | None = None) -> None:
        self.run, self.story, self.profile = VerifiedRun(run), story, profile
        self._lock = threading.RLock()
        self._version = 0
        self._snapshot: Snapshot | None = None

    def signature(self) -> Signature:
        """Changes whenever a file changes that a snapshot depends on. Cheap enough to be asked often."""
        names = [self.run.path / name for name in (STATE, FILM, NOTES)]
        shots = sorted(path for path in (self.run.path / "shots").glob("*"))
        return ((self._version, 0), *map(_stamp, [*names, *([self.story] if self.story else []), *shots]))

    def forget(self) -> None:
        """Compute the next snapshot again, after a change of a file that the story names."""
        with self._lock:
            self._version += 1

    def pending(self) -> Effect:
        """What the next render would do."""
        pending = [item for item in self.snapshot().decisions if item.action != "keep"]
        return Effect(
            shots=tuple(item.job.shot for item in pending),
            certain=all(item.action == "render" for item in pending),
            seconds=self._seconds([item.job for item in pending]),
        )

    def snapshot(self) -> Snapshot:
        """The current state; computed again only after a change.

        Raises:
            OnestoryError: the run cannot be read.
        """
        with self._lock:
            signature = self.signature()
            if self._snapshot is None or self._snapshot.signature != signature:
                self._snapshot = self._read(signature)
            return self._snapshot

    def review_state(self, token: str, *, read_only: bool) -> ReviewState:
        """What the page shows beyond a report."""
        now = self.snapshot()
        return ReviewState(
            token=token,
            read_only=read_only,
            captions={} if read_only else now.captions,
            fits=now.fits,
            stale=now.stale,
            waiting=now.waiting,
            problems=tuple(f"{item.code}: {item.message}" for item in now.findings),
        )

    def accept(self, shot: str, id: str) -> Take:
        """Accept a take, as `onestory take accept` does.

        Raises:
            OnestoryError: R401 if another process writes to the run, R411 or S230 for a take that does not fit.
        """
        with self._lock, lock_run(self.run) as writer:
            take = acceptable_take(load_run_plan(self.run), self.run, shot, id)
            writer.accept(shot, take, chosen=True)
            return take

    def note(self, shot: str, id: str, text: str, *, rejected: bool) -> None:
        """Note something about a take. A rejected take stays on disk and can still be accepted.

        Raises:
            OnestoryError: R401 if another process writes to the run, R411 for an unknown take.
        """
        with self._lock, lock_run(self.run) as writer:
            take = find_take(load_run_plan(self.run), self.run, shot, id)
            write_note(writer, take, TakeNote(text=text.strip()[:MAX_NOTE], rejected=rejected))

    def current_plan(self) -> Plan:
        """The plan of the story file, or of the run without one.

        Raises:
            OnestoryError: its findings.
        """
        if self.story is None:
            return load_run_plan(self.run)
        plan, _ = compile_story(self.story, profile=self._profile())
        return plan

    def effect_of_accepting(self, shot: str, id: str) -> Effect:
        """What would be stale if another take of a shot were accepted."""
        now = self.snapshot()
        take = find_take(load_run_plan(self.run), self.run, shot, id)
        entry = AcceptedTake(
            folder=take.path, take=take.record.take, reason=take.record.reason, seed=take.record.own_seed, chosen=True
        )
        accepted = {**self.run.accepted(), shot: entry}
        return self._effect(now, now.plan, accepted)

    def effect_of_another_take(self, shot: str) -> Effect:
        """The time that another take of a shot needs. It makes nothing stale before it is accepted."""
        now = self.snapshot()
        job = now.plan.job(shot) if now.plan else None
        return Effect(shots=(), certain=True, seconds=self._seconds([job] if job else []))

    def check_caption(self, shot: str, caption: str) -> tuple[str, tuple[Diagnostic, ...], Effect | None]:
        """The resolved caption that an edit would give, the findings of the edited story, and what becomes stale."""
        try:
            data = self._edited(shot, caption)
            story, warnings = read_story(data, str(self.story), profile=self._profile())
            plan, more = plan_story(story)
        except Findings as fault:
            return "", fault.diagnostics, None
        job = plan.job(shot)
        return job.caption, (*warnings, *more), self._effect(self.snapshot(), plan, self.run.accepted())

    def save_caption(self, shot: str, caption: str, *, before: str) -> None:
        """Replace a caption in the story file. `before` is the caption that the author started from.

        Raises:
            OnestoryError: R419 if the caption in the file is another one by now, and what `replace_caption` raises.
        """
        with self._lock:
            assert self.story is not None
            if self._caption(shot).split() != before.split():
                raise OnestoryError(
                    "R419",
                    f'the caption of "{shot}" changed in the story file since you started to edit it',
                    help="copy your text, reload the page and edit it again",
                    exit=ExitCode.PARTIAL,
                )
            write_atomic(Path(os.path.realpath(self.story)), self._edited(shot, caption))

    def _edited(self, shot: str, caption: str) -> bytes:
        assert self.story is not None
        return replace_caption(read_bytes(self.story), str(self.story), shot, caption)

    def _caption(self, shot: str) -> str:
        assert self.story is not None
        return caption_of(parse(read_bytes(self.story), str(self.story)), shot)

    def _profile(self) -> str | None:
        state = self.run.state()
        return self.profile or (state.profile if state else None)

    def _read(self, signature: Signature) -> Snapshot:
        takes_by_shot = self.run.takes_by_shot()
        plan, findings = self._plan()
        state = self.run.state()
        film = read_film(self.run, known=self.run.known, unaccepted=True) if state else None
        if film is None and plan:
            film = _unrendered(self.run.path, plan)
        lookup = Lookup(plan, takes_by_shot, accepted=self.run.accepted()) if plan else None
        fits = _fitting(self.run) if state else frozenset()
        return Snapshot(
            signature=signature,
            film=film,
            plan=plan,
            findings=findings,
            decisions=lookup.forecast() if lookup else (),
            captions=self._captions(),
            fits=fits,
            notes=read_notes(self.run.path),
        )

    def _plan(self) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
        try:
            return self.current_plan(), ()
        except OnestoryError as fault:
            return None, fault.diagnostics

    def _captions(self) -> dict[str, str]:
        if self.story is None:
            return {}
        try:
            value = parse(read_bytes(self.story), str(self.story)).value
        except OnestoryError:
            return {}
        shots = value.get("shots") if isinstance(value, dict) else None
        items = [item for item in shots if isinstance(item, dict)] if isinstance(shots, list) else []
        return {str(item["id"]): str(item["caption"]).strip() for item in items if "id" in item and "caption" in item}

    def _effect(self, now: Snapshot, plan: Plan | None, accepted: Mapping[str, AcceptedTake]) -> Effect:
        if plan is None:
            return Effect(shots=(), certain=False, seconds=None)
        before = {item.job.shot for item in now.decisions if item.action != "keep"}
        after = Lookup(plan, self.run.takes_by_shot(), accepted=accepted).forecast()
        stale = [item for item in after if item.action != "keep" and item.job.shot not in before]
        return Effect(
            shots=tuple(item.job.shot for item in stale),
            certain=all(item.action == "render" for item in stale),
            seconds=self._seconds([item.job for item in stale]),
        )

    def _seconds(self, jobs: Sequence[ShotJob]) -> float | None:
        records = [take.record for shot in self.run.takes_by_shot().values() for take in shot.takes]
        rate = seconds_per_token_step(records)
        return None if rate is None else rate * sum(map(token_steps, jobs))


def _fitting(run: VerifiedRun) -> frozenset[str]:
    try:
        plan = load_run_plan(run)
    except OnestoryError:  # its model does not exist any more
        return frozenset()
    return frozenset(item.take.path for takes in list_all_takes(plan, run).values() for item in takes if item.fits)


def _unrendered(run: Path, plan: Plan) -> FilmReport:
    """The film of a story that was not rendered yet."""
    return FilmReport(
        run=run,
        title=plan.story.title or run.name,
        state=state_of(plan, None),
        story=plan.story,
        shots=(),
        left_out=tuple(MissingShot(shot=job.shot) for job in plan.jobs),
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
