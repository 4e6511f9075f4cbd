"""Plan -> film: options, the session that resolves each shot to a take, reused or new, and the shot loop.

A shot is remembered by its latents, so the next shot is generated while this one is decoded, checked and encoded by the
`Committer`. Other changes of the run wait until its work is on disk. There is no torch here: the model is loaded when
the first shot must be generated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Event, Preview, ignore
from onestory_cli.planning.jobs import Plan, ShotJob, retake
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.commit import Committer, is_bad, quality_key
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.join import join, require_subtitles
from onestory_cli.rendering.take_generator import TakeGenerator
from onestory_cli.store.layout import PARTIAL, REFERENCES
from onestory_cli.store.reuse import Decision, Lookup, settle
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import RunWriter, lock_run
from onestory_cli.utils.text import shell_quote

CHECKPOINT_SECONDS = 30.0


def never_stop() -> bool:
    """A `stop` function of a render that is never asked to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Options of a render.

    Attributes:
        force: shots to render again although their takes are valid.
        takes: shot -> how many takes it should have; only the accepted one is used.
        retry_bad: how many other takes to try for a shot whose take fails a quality check; the best one is accepted.
        subtitles: whether the film has a subtitle track of what the shots say.
        keep_original: whether a take also contains the clip as its external model delivered it.
        checkpoint_seconds: the time between two checkpoints of a shot.
        preview: gets pictures of the shot that is being generated, then its middle frame at the last step. It must
            return quickly.
        stop: asked after each step; once it returns true, the render saves its work and raises KeyboardInterrupt.
    """

    force: Collection[str] = ()
    takes: Mapping[str, int] = field(default_factory=dict)
    retry_bad: int = 0
    subtitles: bool = False
    keep_original: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    preview: Preview | None = None
    stop: Callable[[], bool] = never_stop


class RenderSession:
    """One render of a locked run. Creating it stores the inputs of the plan in the run.

    `reusable` are the valid takes that were accepted before, `committer` emits events and has the takes on disk.
    """

    def __init__(
        self,
        plan: Plan,
        writer: RunWriter,
        load: Callable[[], ShotGenerator],
        emit: Emit,
        queue: BackgroundQueue,
        options: RenderOptions,
        *,
        started: Event | None = None,
    ) -> None:
        """`started` is emitted instead of a RunStarted."""
        self._plan, self._writer, self._options = plan, writer, options
        self._began, self._kept = time.monotonic(), 0
        self.committer = Committer(plan, writer, emit, queue, preview=options.preview)
        self._generator = TakeGenerator(plan, writer, load, self.committer, options)
        takes_by_shot = writer.run.takes_by_shot()
        self._damages = find_damage(writer.run, takes_by_shot)
        accepted = writer.run.accepted()
        writer.freeze(plan)
        self._lookup = Lookup(plan, takes_by_shot, accepted=accepted, force=options.force)
        forecast = self._lookup.forecast()
        self.reusable = {item.job.shot: item.take for item in forecast if item.action == "keep" and item.take}
        self.committer.emit(started or self._run_started())

    def reuse_all(self) -> Collection[str]:
        """Let shots see all reusable takes, and return the sources that can be seen without generating anything."""
        for shot, take in self.reusable.items():
            self._generator.memory.accept(shot, take)
        return self._digests

    def resolve(self, job: ShotJob) -> Take:
        """The take to accept for a shot: a valid one, or a new one."""
        decision = self._lookup.decide(job, self._digests)
        return self._take_of(self._final(decision, otherwise=self._lookup.renames.accepted_job(job)))

    def resolve_other(self, job: ShotJob) -> Take:
        """An additional take of a shot, reused or new. The job has its number and its seed."""
        return self._take_of(self._final(self._lookup.decide_other(job, self._digests), otherwise=job))

    def measured(self, take: Take) -> Take:
        """A take with its quality checks, which need its pixels: this waits until it is on disk."""
        self.committer.wait()
        return self.committer.committed(take)

    def is_chosen(self, job: ShotJob, take: Take) -> bool:
        """Whether the user accepted this take explicitly."""
        return self._lookup.renames.is_chosen(job.shot, take)

    def accept(self, job: ShotJob, take: Take) -> None:
        """Accept a take.

        Raises:
            OnestoryError: R410 if the shot has `accept: ask` and the user has not accepted a take yet.
        """
        self._generator.memory.accept(job.shot, take)
        if job.accept == "ask" and not self._lookup.renames.is_accepted(job.shot, take):
            self.committer.wait()
            raise must_be_accepted(self._writer.path, job, take)
        self.committer.accept(job.shot, take, chosen=self.is_chosen(job, take))

    def finish(self) -> Path:
        """Join the clips, unless the existing film consists of the same ones, and return the path of the film."""
        self.committer.wait()
        takes, film = self.committer.takes, self._writer.run.film
        if len(takes) == len(self._plan.story.shots):
            self._writer.drop_other_shots(takes)
        join(self._plan, self._writer, takes, self.committer.emit, subtitles=self._options.subtitles)
        self.committer.emit(
            events.RunFinished(
                path=str(film),
                rendered=self.committer.rendered,
                kept=self._kept,
                seconds=time.monotonic() - self._began,
                faulty=sum(self._is_kept_and_bad(shot, take) for shot, take in takes.items()),
            )
        )
        return film

    @property
    def _digests(self) -> dict[str, str]:
        return self._generator.memory.digests

    def _run_started(self) -> Event:
        return events.RunStarted(
            run=str(self._writer.path),
            title=self._plan.story.title,
            model=self._plan.model.name,
            shots=len(self._plan.jobs),
            kept=len(self.reusable),
        )

    def repair(self) -> None:
        """Warn about damaged files. Remove damaged partials, and encode damaged reference images again."""
        for damage in self._damages:
            where = damage.path.relative_to(self._writer.path)
            help = "it is not used; what depends on it is rendered again"
            self.committer.emit(events.Warned(code="W406", message=f'"{where}" is damaged: {damage.why}', help=help))
            if damage.path.name == PARTIAL or damage.path.parent.name == REFERENCES:
                self._writer.disk.remove(damage.path)
        self._generator.references.repair([damage.path for damage in self._damages])

    def _final(self, decision: Decision, *, otherwise: ShotJob) -> Decision:
        """The final decision about a shot. An undecided one selects its memory again; `otherwise` is the job to render
        if its take is not valid."""
        if decision.action != "undecided":
            return decision
        decision = settle(decision, self._generator.recall(decision.job))
        return decision if decision.action == "keep" else replace(decision, job=otherwise)

    def _take_of(self, decision: Decision) -> Take:
        if decision.action == "keep" and decision.take:
            return self._keep(decision, decision.take)
        key = self._lookup.key(decision.job, self._digests)
        assert key is not None, "everything that it can see has a take by now"
        partial = self._lookup.partial(decision.job, key)
        return self._generator.generate(decision.job, key, decision.reason, partial)

    def _keep(self, decision: Decision, take: Take) -> Take:
        self.committer.wait()
        if decision.memory:
            take = self._writer.recommit(take, decision.memory, decision.reason)
        self._writer.remove_partial(take.shot, take.record.key)
        self._kept += 1
        self.committer.emit(events.ShotKept(shot=decision.job.shot, take=take.id, reason=str(decision.reason)))
        return take

    def _is_kept_and_bad(self, shot: str, take: Take) -> bool:
        """Whether a take was faulty before this render and the user did not accept it explicitly."""
        return not self.committer.is_new(take) and is_bad(take) and not self._lookup.renames.is_chosen(shot, take)


def must_be_accepted(run: Path, job: ShotJob, take: Take) -> OnestoryError:
    """The error that ends a render at a shot with `accept: ask`."""
    path = shell_quote(run)
    return OnestoryError(
        "R410",
        f'"{job.shot}" waits for you to accept a take',
        help=f"list the takes with `onestory take list {path} {job.shot}`, "
        f"then run `onestory take accept {path} {job.shot} {take.record.take} && onestory resume {path}`",
        exit=ExitCode.PARTIAL,
    )


def render(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    emit: Emit = ignore,
    options: RenderOptions = RenderOptions(),
) -> Path:
    """Render what is missing of a film, join it, and return its path. Finished shots are kept whatever happens.

    `load` loads the model; it is called when the first shot must be generated.

    Raises:
        OnestoryError: R410 if the user must accept a take first, X803 for subtitles if no shot has one, S230 for an
            unknown shot in `options`, R4xx for an error of the disk or a run that another process writes to.
        KeyboardInterrupt: `options.stop()` returned true. A RunInterrupted was emitted.
    """
    for shot in (*options.force, *options.takes):
        plan.job(shot)
    if options.subtitles:
        require_subtitles(plan)
    with lock_run(run) as writer, BackgroundQueue() as queue:
        session = RenderSession(plan, writer, load, emit, queue, options)
        try:
            session.repair()
            for job in plan.jobs:
                take = session.resolve(job)
                for number in range(options.takes.get(job.shot, 0)):
                    if number != take.record.take:
                        session.resolve_other(retake(job, number))
                session.accept(job, best_take(session, job, take, options.retry_bad))
            return session.finish()
        except KeyboardInterrupt:
            committer = session.committer
            committer.wait()
            finished, shots = len(committer.takes), len(plan.jobs)
            committer.emit(events.RunInterrupted(run=str(run.path), finished=finished, shots=shots))
            raise


def best_take(session: RenderSession, job: ShotJob, take: Take, retries: int) -> Take:
    """`take`, or the best of up to `retries` others if it is faulty and the user did not accept it explicitly."""
    if not retries or job.accept == "ask" or session.is_chosen(job, take):
        return take
    tried = [session.measured(take)]
    others = [number for number in range(retries + 1) if number != take.record.take]
    for number in others[:retries]:
        if is_bad(min(tried, key=quality_key)):
            tried.append(session.measured(session.resolve_other(retake(job, number))))
    return min(tried, key=quality_key)


def replace_bad(session: RenderSession, writer: RunWriter, job: ShotJob, others: Collection[Take]) -> None:
    """Accept the best of `others` instead of a faulty take that the user did not accept explicitly."""
    take = session.reusable.get(job.shot)
    if take and is_bad(take) and not session.is_chosen(job, take):
        best = min((take, *others), key=quality_key)
        if best is not take:
            writer.accept(job.shot, best)
