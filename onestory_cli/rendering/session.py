"""A film in the making: how each of its takes is come by, kept or made, and how it becomes whole behind the next one.

A shot is remembered by its latents, so the next one begins while this one is decoded, checked and encoded. Takes are
committed and accepted one by one, in film order. But for the work on the next shot nothing happens meanwhile: whatever
else changes the run waits until they are on the disk. No torch here: a `Maker` makes shots, and is loaded only when the
first shot must really run.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Event
from onestory_cli.planning.jobs import Plan, ShotJob, retake
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.checkpoints import TakeCheckpoint
from onestory_cli.rendering.commit import finish, promised
from onestory_cli.rendering.generator import GeneratedShot, ShotGenerator, memory_state
from onestory_cli.rendering.join import join
from onestory_cli.rendering.memory import VisibleMemory
from onestory_cli.rendering.pictures import picture_for
from onestory_cli.rendering.quality import is_bad, quality_key, warnings_of
from onestory_cli.rendering.references import References
from onestory_cli.store.keys import clip_fields, spec_fields
from onestory_cli.store.partials import PARTIAL
from onestory_cli.store.record import Record
from onestory_cli.store.references import REFERENCES
from onestory_cli.store.reuse import Decision, Lookup, settle
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take, write_latents
from onestory_cli.store.verify import find_damage
from onestory_cli.utils.text import quoted

if TYPE_CHECKING:
    import numpy as np


class Film:
    """A film in the making: the takes that count so far, and how the next one is come by.

    `takes` are whole and accepted; what a shot can see may still be on its way to the disk.
    """

    def __init__(
        self,
        plan: Plan,
        run: Run,
        load: Callable[[], ShotGenerator],
        emit: Emit,
        behind: BackgroundQueue,
        *,
        stop: Callable[[], bool],
        checkpoint_seconds: float,
    ) -> None:
        self._plan, self._run, self._load, self._emit, self._behind = plan, run, load, emit, behind
        self._stop, self._checkpoint_seconds = stop, checkpoint_seconds
        self._references = References(plan, run, encode=self._encode, settle=self.settle)
        self._visible = VisibleMemory(self._references)
        self._whole: dict[Path, Take] = {}
        self._began, self._made, self._kept = time.monotonic(), 0, 0
        self.takes: dict[str, Take] = {}

    def tell(self, event: Event) -> None:
        """Emit an event, after those of takes that became whole; all but the single steps go into the log as well."""
        self._behind.poll()
        self._say(event)

    def settle(self) -> None:
        """Wait until all that was made is on the disk.

        Raises:
            OnestoryError: R4xx for what the disk refused meanwhile.
        """
        self._behind.wait()

    def whole(self, take: Take) -> Take:
        """A take as it was committed; settle first."""
        return self._whole.get(take.folder, take)

    def measured(self, take: Take) -> Take:
        """A take with its checks, which wait for its pixels."""
        self.settle()
        return self.whole(take)

    def _say(self, event: Event) -> None:
        if not isinstance(event, events.StepDone):
            self._run.log(event)
        self._emit(event)

    def open(self, force: Collection[str], *, beginning: Event | None = None) -> None:
        """Look at what there is, name what is damaged, and freeze what the film is made from.

        `beginning` is told in place of a RunStarted.
        """
        takes_by_shot = self._run.takes_by_shot()
        damages = find_damage(self._run, takes_by_shot)
        accepted = self._run.accepted()
        self._run.freeze(self._plan)
        self._lookup = Lookup(self._plan, takes_by_shot, accepted=accepted, force=force)
        self._standing = {item.job.shot: item.take for item in self._lookup.forecast() if item.action == "keep"}
        kept = len(self._standing)
        story, model = self._plan.story, self._plan.model
        whole_film = events.RunStarted(
            run=str(self._run.path), title=story.title, model=model.name, shots=len(self._plan.jobs), kept=kept
        )
        self.tell(beginning or whole_film)
        for damage in damages:
            where = damage.path.relative_to(self._run.path)
            help = "it is not used; what needs it is made again"
            self.tell(events.Warned(code="W406", message=f'"{where}" is damaged: {damage.why}', help=help))
            if damage.path.name == PARTIAL or damage.path.parent.name == REFERENCES:
                self._run.disk.remove(damage.path)
        self._references.mend([damage.path for damage in damages])

    def known(self) -> Collection[str]:
        """The sources that can be remembered without making a shot; from now on their takes count for this film."""
        for shot, take in self._standing.items():
            if take:
                self._visible.accept(shot, take)
        return self._visible.digests

    def keep_or_make(self, job: ShotJob) -> Take:
        """The take that is to count: the one that stands, or a new one."""
        return self._have(self._decide(job))

    def have(self, job: ShotJob) -> Take:
        """Another take, which does not count: the job has its number and its seed."""
        return self._have(self._settled(self._lookup.decide_other(job, self._visible.digests), otherwise=job))

    def best(self, job: ShotJob, take: Take, retries: int) -> Take:
        """The take, or the best of up to `retries` others too, where it has faults and it is nobody's choice."""
        if job.accept == "ask" or self._lookup.chosen(job.shot, take):
            return take
        tried = [self.measured(take) if retries else take]
        others = [number for number in range(retries + 1) if number != take.record.take]
        for number in others[:retries]:
            if is_bad(min(tried, key=quality_key)):
                tried.append(self.measured(self.have(retake(job, number))))
        return min(tried, key=quality_key)

    def replace_bad(self, job: ShotJob, others: Collection[Take]) -> None:
        """Let the best of other takes, measured ones, count in place of one that has faults and is nobody's choice."""
        take = self._standing.get(job.shot)
        if take and is_bad(take) and not self._lookup.chosen(job.shot, take):
            best = min((take, *others), key=quality_key)
            if best is not take:
                self._run.accept(job.shot, best)

    def accept(self, job: ShotJob, take: Take) -> None:
        """Let a take count from now on, or stop until somebody has said which one shall.

        Raises:
            OnestoryError: R410.
        """
        self._visible.accept(job.shot, take)
        if job.accept == "ask" and not self._lookup.counts(job, take):
            self.settle()
            raise waits_for_somebody(self._run, job, take)
        chosen = self._lookup.chosen(job.shot, take)
        self._behind.add(lambda: self._run.accept(job.shot, take, chosen=chosen), lambda _: self._accepted(job, take))

    def _accepted(self, job: ShotJob, take: Take) -> None:
        self.takes[job.shot] = self.whole(take)

    def _have(self, decision: Decision) -> Take:
        """The take of a decision, kept or made."""
        if decision.action != "keep" or decision.take is None:
            return self._make(decision)
        self.settle()
        take = decision.take
        if decision.memory:
            take = self._run.recommit(take, decision.memory, decision.reason)
        self._run.remove_partial(take.shot, take.record.key)
        self._kept += 1
        self.tell(events.ShotKept(shot=decision.job.shot, take=take.id, reason=str(decision.reason)))
        return take

    def _decide(self, job: ShotJob) -> Decision:
        """What is to be done about a shot, now that all that it can see is known."""
        return self._settled(self._lookup.decide(job, self._visible.digests), otherwise=self._lookup.as_accepted(job))

    def _settled(self, decision: Decision, *, otherwise: ShotJob) -> Decision:
        """The decision, with selection run again where only that can tell; what must then be made is `otherwise`."""
        if decision.action != "undecided":
            return decision
        job = decision.job
        recalled = self._maker.recall(job, self._visible.latents(job))
        settled = settle(decision, memory_state(job, recalled, self._visible.of(job), noise_tokens=job.tokens.noise))
        return settled if settled.action == "keep" else replace(settled, job=otherwise)

    def finish(self, *, subtitles: bool = False) -> Path:
        """Join the clips, with their subtitles or without, unless the film that is there is made of just these."""
        self.settle()
        if len(self.takes) == len(self._plan.story.shots):
            self._run.drop_other_shots(self.takes)
        join(self._plan, self._run, self.takes, self.tell, subtitles=subtitles)
        self.tell(
            events.RunFinished(
                path=str(self._run.film),
                rendered=self._made,
                kept=self._kept,
                seconds=time.monotonic() - self._began,
                faulty=sum(self._is_kept_and_faulty(shot, take) for shot, take in self.takes.items()),
            )
        )
        return self._run.film

    def _is_kept_and_faulty(self, shot: str, take: Take) -> bool:
        """Whether a take was bad before this render, which says no more of it, and nobody has accepted it."""
        return take.folder not in self._whole and is_bad(take) and not self._lookup.chosen(shot, take)

    @cached_property
    def _maker(self) -> ShotGenerator:
        from onestory_cli.media.video import require_encoder

        require_encoder()
        return self._load()

    def _make(self, decision: Decision) -> Take:
        """Make a shot and commit it as a take."""
        if self._stop():
            raise KeyboardInterrupt
        job, began = decision.job, time.monotonic()
        key = self._lookup.key(job, self._visible.digests)
        assert key is not None, "all that it can see has a take by now"
        decision = replace(decision, partial=self._lookup.partial(job, key))
        self.tell(
            events.ShotStarted(
                shot=job.shot,
                index=job.index,
                shots=len(self._plan.jobs),
                reason=str(decision.reason),
                steps=job.steps,
                goes_on=str(decision.partial or ""),
            )
        )
        image = picture_for(job, job.image, self._run) if job.image else None
        checkpoint = TakeCheckpoint(
            self._run, job.shot, key, emit=self.tell, stop=self._stop, seconds=self._checkpoint_seconds
        )
        made = self._maker.make(job, self._visible.latents(job), image=image, emit=self.tell, checkpoint=checkpoint)
        return self._hand_over(decision, made, began)

    def _hand_over(self, decision: Decision, made: GeneratedShot, began: float) -> Take:
        """Let a made shot become a take beside the work on the next one, once the take before it is whole.

        So never more than one shot waits for that, and all that it remembers has been measured.
        """
        self.settle()
        seen = {source: self.whole(take) for source, take in self._visible.takes.items()}
        data = write_latents(made.latents_CTHW)
        take = promised(self._run, self._record(decision, made), data)
        self._visible.add(take, data)
        work = partial(finish, self._run, take, decision.job, self._plan, latents=data, made=made, seen=seen)
        self._behind.add(work, lambda whole: self._committed(whole, time.monotonic() - began))
        return take

    def _committed(self, take: Take, seconds: float) -> None:
        self._whole[take.folder] = take
        self._made += 1
        self._say(events.TakeCommitted(shot=take.shot, take=take.id, seconds=seconds, memory_bytes=peak_memory_bytes()))
        for warning in warnings_of(take.shot, take.record, quoted(self._run.path)):
            self._say(warning)

    def _encode(self, pixels_HWC: np.ndarray) -> np.ndarray:
        return self._maker.encode_reference(pixels_HWC)

    def _record(self, decision: Decision, made: GeneratedShot) -> Record:
        job = decision.job
        return Record(
            shot=job.shot,
            take=job.take,
            seed_base=job.seed_rule.base,
            seed_given=job.seed_rule.given,
            spec=spec_fields(job, self._plan.model_fingerprint),
            clip=clip_fields(job, self._plan.output),
            memory=memory_state(job, made, self._visible.of(job), noise_tokens=made.noise_tokens),
            reason=decision.reason,
            seconds=dict(made.seconds),
            environment=dict(self._maker.environment()),
            created=time.time(),
        )


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def waits_for_somebody(run: Run, job: ShotJob, take: Take) -> OnestoryError:
    """What a shot with `accept: ask` says once its takes are made."""
    path = quoted(run.path)
    return OnestoryError(
        "R410",
        f'"{job.shot}" waits for you to accept a take',
        help=f"look with `onestory take list {path} {job.shot}`, "
        f"then `onestory take accept {path} {job.shot} {take.record.take} && onestory resume {path}`",
        exit=ExitCode.PARTIAL,
    )
