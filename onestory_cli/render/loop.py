"""Plan -> film: the shot loop. A shot is kept or made; what is made is committed before the next one begins.

The loop knows no torch: a `Maker` makes shots, and is loaded only when the first shot must really run.
"""

from __future__ import annotations

import resource
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Event, ignore
from onestory_cli.plan import ImageInput, Plan, ShotJob, retake
from onestory_cli.render.checkpoint import SECONDS, TakeCheckpoint, never
from onestory_cli.render.maker import Made, Maker, memory_state
from onestory_cli.render.picture import read_picture
from onestory_cli.store.files import coded, sha256
from onestory_cli.store.keys import clip_fields, spec_fields
from onestory_cli.store.partials import PARTIAL
from onestory_cli.store.record import Record
from onestory_cli.store.reuse import Decision, Lookup, settle
from onestory_cli.store.run import Run
from onestory_cli.store.sealed import canonical
from onestory_cli.store.takes import CLIP, LATENTS, Take, write_latents
from onestory_cli.store.verify import find_damage

if TYPE_CHECKING:
    import numpy as np


def render(
    plan: Plan,
    run: Run,
    load: Callable[[], Maker],
    emit: Emit = ignore,
    *,
    force: Collection[str] = (),
    takes: Mapping[str, int] | None = None,
    stop: Callable[[], bool] = never,
    checkpoint_seconds: float = SECONDS,
) -> Path:
    """Make what is missing of a film, then the film; returns its path. Finished shots stay, whatever happens.

    The work on a shot is kept every `checkpoint_seconds`. Once `stop()` is true the render keeps it and ends within a
    step, by a KeyboardInterrupt. `takes` says how many takes of a shot there should be; only the accepted one counts.

    Raises:
        OnestoryError: R410 where somebody must accept a take first.
        OnestoryError: S230 for an unknown shot in `force`; R4xx for what the disk or another process refuses.
        KeyboardInterrupt: passed on, after a RunInterrupted.
    """
    for shot in (*force, *(takes or {})):
        plan.job(shot)
    with run.locked():
        film = Film(plan, run, load, emit, stop=stop, checkpoint_seconds=checkpoint_seconds)
        try:
            film.open(force)
            for job in plan.jobs:
                take = film.keep_or_make(job)
                for number in range((takes or {}).get(job.shot, 0)):
                    if number != take.record.take:
                        film.have(retake(job, number))
                film.accept(job, take)
            return film.finish()
        except KeyboardInterrupt:
            film.tell(events.RunInterrupted(run=str(run.path), finished=len(film.takes), shots=len(plan.jobs)))
            raise


class Film:
    """A film in the making: the takes that count so far, and how the next one is come by."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        load: Callable[[], Maker],
        emit: Emit,
        *,
        stop: Callable[[], bool],
        checkpoint_seconds: float,
    ) -> None:
        self._plan, self._run, self._load, self._emit = plan, run, load, emit
        self._stop, self._checkpoint_seconds = stop, checkpoint_seconds
        self._references = {item.source: item.image for item in plan.references}
        self._latents: dict[str, np.ndarray] = {}
        self._began, self._made, self._kept = time.monotonic(), 0, 0
        self.takes: dict[str, Take] = {}

    def tell(self, event: Event) -> None:
        """Emit an event; all but the single steps go into the run's log as well."""
        if not isinstance(event, events.StepDone):
            self._run.log(event)
        self._emit(event)

    def open(self, force: Collection[str]) -> None:
        """Look at what there is, name what is damaged, and freeze what the film is made from."""
        shelves = self._run.shelves()
        damages = find_damage(self._run, shelves)
        accepted = self._run.accepted()
        self._run.freeze(self._plan)
        self._lookup = Lookup(self._plan, shelves, accepted=accepted, force=force)
        self._standing = {item.job.shot: item.take for item in self._lookup.forecast() if item.action == "keep"}
        kept = len(self._standing)
        story, model = self._plan.story, self._plan.model
        self.tell(
            events.RunStarted(
                run=str(self._run.path), title=story.title, model=model.name, shots=len(self._plan.jobs), kept=kept
            )
        )
        for damage in damages:
            where = damage.path.relative_to(self._run.path)
            help = "it is not used; what needs it is made again"
            self.tell(events.Warned(code="W406", message=f'"{where}" is damaged: {damage.why}', help=help))
            if damage.path.name == PARTIAL:
                self._run.disk.remove(damage.path)

    def known(self) -> Collection[str]:
        """The sources that can be remembered without making a shot; from now on their takes count for this film."""
        self.takes |= {shot: take for shot, take in self._standing.items() if take}
        return self._digests()

    def keep_or_make(self, job: ShotJob) -> Take:
        """The take that is to count: the one that stands, or a new one."""
        return self._have(self._decide(job))

    def have(self, job: ShotJob) -> Take:
        """Another take, which does not count: the job has its number and its seed."""
        return self._have(self._settled(self._lookup.decide_other(job, self._digests()), otherwise=job))

    def accept(self, job: ShotJob, take: Take) -> None:
        """Let a take count from now on, or stop until somebody has said which one shall.

        Raises:
            OnestoryError: R410.
        """
        if job.accept == "ask" and not self._lookup.counts(job, take):
            path = shlex.quote(str(self._run.path))
            raise OnestoryError(
                "R410",
                f'"{job.shot}" waits for you to accept a take',
                help=f"look with `onestory take list {path} {job.shot}`, "
                f"then `onestory take accept {path} {job.shot} {take.record.take} && onestory resume {path}`",
                exit=ExitCode.PARTIAL,
            )
        self._run.accept(job.shot, take)
        self.takes[job.shot] = take

    def _have(self, decision: Decision) -> Take:
        """The take of a decision, kept or made."""
        if decision.action != "keep" or decision.take is None:
            return self._make(decision)
        take = decision.take
        if decision.memory:
            take = self._run.restate(take, decision.memory, decision.reason)
        self._run.drop_partial(take.shot, take.record.key)
        self._kept += 1
        self.tell(events.ShotKept(shot=decision.job.shot, take=take.id, reason=str(decision.reason)))
        return take

    def _decide(self, job: ShotJob) -> Decision:
        """What is to be done about a shot, now that all that it can see is known."""
        return self._settled(self._lookup.decide(job, self._digests()), otherwise=self._lookup.as_accepted(job))

    def _settled(self, decision: Decision, *, otherwise: ShotJob) -> Decision:
        """The decision, with selection run again where only that can tell; what must then be made is `otherwise`."""
        if decision.action != "undecided":
            return decision
        job = decision.job
        recalled = self._maker.recall(job, self._memory(job))
        settled = settle(decision, memory_state(job, recalled, self._visible(job), noise_tokens=job.tokens.noise))
        return settled if settled.action == "keep" else replace(settled, job=otherwise)

    def finish(self) -> Path:
        """Join the clips, unless the film that is there is made of just these."""
        metadata = self._metadata()
        clips = [[shot, take.record.files[CLIP].sha256] for shot, take in self.takes.items()]
        key = sha256(canonical([clips, metadata]))
        if not self._run.has_film(key):
            self._run.make_film(key, lambda path: self._mux(path, metadata))
        self.tell(
            events.RunFinished(
                path=str(self._run.film),
                rendered=self._made,
                kept=self._kept,
                seconds=time.monotonic() - self._began,
            )
        )
        return self._run.film

    @cached_property
    def _maker(self) -> Maker:
        from onestory_cli.media.video import require_encoder

        require_encoder()
        return self._load()

    def _make(self, decision: Decision) -> Take:
        """Make a shot and commit it as a take."""
        if self._stop():
            raise KeyboardInterrupt
        job, began = decision.job, time.monotonic()
        key = self._lookup.key(job, self._digests())
        assert key is not None, "all that it can see has a take by now"
        decision = replace(decision, partial=self._lookup.partial(job, key))
        self.tell(
            events.ShotStarted(
                shot=job.shot,
                index=job.index,
                shots=len(self._plan.jobs),
                reason=str(decision.why),
                steps=job.steps,
            )
        )
        image = self._picture(job.image, job) if job.image else None
        checkpoint = TakeCheckpoint(
            self._run, job.shot, key, emit=self.tell, stop=self._stop, seconds=self._checkpoint_seconds
        )
        made = self._maker.make(job, self._memory(job), image=image, emit=self.tell, checkpoint=checkpoint)
        with self._run.staging() as folder:
            self._write_files(folder, job, made)
            take = self._run.commit(folder, self._record(decision, made))
        self._made += 1
        seconds = time.monotonic() - began
        self.tell(events.TakeCommitted(shot=job.shot, take=take.id, seconds=seconds, memory_bytes=peak_memory_bytes()))
        return take

    def _memory(self, job: ShotJob) -> dict[str, np.ndarray]:
        """The latents of all that a shot can see; each source is read or encoded once."""
        for source in job.memory.sources:
            if source not in self._latents:
                self._latents[source] = (
                    self._maker.encode_reference(self._picture(self._references[source], job))
                    if source in self._references
                    else self.takes[source].latents()
                )
        return {source: self._latents[source] for source in job.memory.sources}

    def _picture(self, image: ImageInput, job: ShotJob) -> np.ndarray:
        return read_picture(self._run.input(image), width=job.width, height=job.height)

    def _write_files(self, folder: Path, job: ShotJob, made: Made) -> None:
        from onestory_cli.media.video import write_clip

        output = self._plan.output
        self._run.disk.write(folder / LATENTS, write_latents(made.latents_CTHW))
        with coded(folder / CLIP):
            write_clip(
                folder / CLIP,
                made.pixels_PHWC,
                fps=job.fps,
                scale=output.scale or 1,
                filter=output.filter,
                crf=output.crf,
            )

    def _record(self, decision: Decision, made: Made) -> Record:
        job = decision.job
        return Record(
            shot=job.shot,
            take=job.take,
            seed_base=job.seed_rule.base,
            seed_given=job.seed_rule.given,
            spec=spec_fields(job, self._plan.model_fingerprint),
            clip=clip_fields(job, self._plan.output),
            memory=memory_state(job, made, self._visible(job), noise_tokens=made.noise_tokens),
            reason=decision.reason,
            seconds=dict(made.seconds),
            environment=dict(self._maker.environment()),
            created=time.time(),
        )

    def _visible(self, job: ShotJob) -> dict[str, str]:
        """The digests of all that a shot can see, in film order."""
        digests = self._digests()
        return {source: digests[source] for source in job.memory.sources}

    def _digests(self) -> dict[str, str]:
        """What is known of every source: references by their bytes, shots by their takes."""
        return {**self._lookup.references, **{shot: take.digest for shot, take in self.takes.items()}}

    def _metadata(self) -> dict[str, str]:
        """The title, and the story as it was really made."""
        shots = [{"id": shot, **take.record.spec, **take.record.clip} for shot, take in self.takes.items()]
        story = {"title": self._plan.story.title, "model": self._plan.model.name, "shots": shots}
        return {"title": self._plan.story.title, "onestory": canonical(story).decode()}

    def _mux(self, path: Path, metadata: Mapping[str, str]) -> None:
        from onestory_cli.media.mux import ClipPart, mux_film

        with coded(path):
            info = mux_film(
                path, [ClipPart(path=take.clip, title=shot) for shot, take in self.takes.items()], metadata=metadata
            )
        self.tell(events.FilmMuxed(path=str(self._run.film), shots=len(self.takes), film_seconds=info.seconds))


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
