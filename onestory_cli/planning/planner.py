"""make_plan: a story on a model, with the model's defaults filled in and everything wrong said at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.memory.levels import allocate
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.bases import base_findings, first_model_findings, forgetful_base
from onestory_cli.planning.images import Pictures
from onestory_cli.planning.jobs import (
    REFERENCE_MARK,
    MemoryJob,
    OtherModel,
    Plan,
    Reference,
    Seed,
    ShotJob,
    Shown,
    Sound,
    Tokens,
    no_such_shot,
    seed_of_take,
)
from onestory_cli.planning.limits import budget_findings, length, place_of, size_findings, size_of_film
from onestory_cli.planning.vocabulary import unknown_words
from onestory_cli.story.types import Audio, Shot, Story

MOST_SHOWING = 100  # earlier shots among which a frame of a character is looked for

T = TypeVar("T")


def make_plan(
    story: Story,
    spec: ModelSpec,
    *,
    model_fingerprint: str = "",
    first: OtherModel | None = None,
    until: str | None = None,
    images: Mapping[str, Path] | None = None,
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story on a model, up to and with shot `until`, and warnings about it.

    `first` makes the shots that begin from their captions alone. `images` names files to read in place of the story's
    own paths (a run's frozen copies).

    Raises:
        Findings: everything that the model cannot do, all at once.
        OnestoryError: S230 when `until` is no shot of the story.
    """
    planner = Planner(story, spec, Pictures(Path(story.path).parent, images or {}), first)
    for shot in _until(story.shots, until):
        planner.add(shot)
    jobs = tuple(planner.jobs.values())
    sounds = tuple(planner.sounds())
    warnings = _once(*unknown_words(story, jobs, spec), *forgetful_base(story, jobs, spec))
    if planner.findings:
        raise Findings(_once(*planner.findings, *warnings))
    plan = Plan(
        story=story,
        model=spec,
        model_fingerprint=model_fingerprint,
        jobs=jobs,
        references=planner.references,
        output=replace(story.output, scale=_first(story.output.scale, spec.scale)),
        first=first,
        sounds=sounds,
    )
    return plan, warnings


def _once(*findings: Diagnostic) -> tuple[Diagnostic, ...]:
    """Each finding once: what `defaults:` ask for is asked of every shot, and wrong at one place."""
    return tuple(dict.fromkeys(findings))


def _until(shots: tuple[Shot, ...], until: str | None) -> tuple[Shot, ...]:
    if until is None:
        return shots
    ids = [shot.id for shot in shots]
    if until not in ids:
        raise no_such_shot(until, ids)
    return shots[: ids.index(until) + 1]


class Planner:
    """Resolves the shots of a story in film order: `jobs` by shot id, and `findings` about them so far."""

    def __init__(self, story: Story, spec: ModelSpec, pictures: Pictures, first: OtherModel | None = None) -> None:
        self._story, self._spec, self._pictures, self._other = story, spec, pictures, first
        self._findings = list(first_model_findings(story, spec, first.spec)) if first else []
        self._mentions = {shot.id: {mention.id: None for mention in shot.mentions} for shot in story.shots}
        self._naming: dict[str, list[str]] = {}
        self.jobs: dict[str, ShotJob] = {}
        self.references = tuple(self._references())

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        return (*self._findings, *self._pictures.findings)

    def add(self, shot: Shot) -> None:
        """Resolve the next shot. One that the model cannot make gets the model's own length or size to go on with."""
        story, memory = self._story, self._memory(shot)
        other = None if shot.image or memory.sources else self._other
        spec = other.spec if other else self._spec
        fps = story.fps or self._spec.fps
        span = length(story, shot, spec, fps)
        width, height = _first(shot.width, spec.width), _first(shot.height, spec.height)
        self._findings += [span.finding] if span.finding else []
        if wrong := list(size_findings(story, shot, spec, width, height)):
            self._findings += wrong
            width, height = spec.width, spec.height
        job = self._job(shot, other, memory, frames=span.frames, width=width, height=height, fps=fps)
        self.jobs[shot.id] = job
        for id in self._mentions[shot.id]:
            self._naming.setdefault(id, []).append(shot.id)
        self._findings += size_of_film(story, shot, job, next(iter(self.jobs.values())))
        self._findings += budget_findings(story, shot, job, spec)
        self._findings += base_findings(story, shot, job, spec)

    def sounds(self) -> Iterator[Sound]:
        """The sound of the story, then those of the planned shots."""
        named: list[tuple[Shot | None, Audio | None]] = [(None, self._story.audio)]
        named += [(shot, shot.audio) for shot in self._story.shots if shot.id in self.jobs]
        for shot, audio in named:
            if audio and (file := self._pictures.read(audio.file, place_of(self._story, shot, "audio.file"))):
                yield Sound(audio=audio, input=file, shot=shot.id if shot else None)

    def _references(self) -> Iterator[Reference]:
        """The reference images of characters, then of settings."""
        for kind, declared in (("characters", self._story.characters), ("settings", self._story.settings)):
            for item in declared:
                if not item.image:
                    continue
                place = place_of(self._story, None, f"{kind}.{item.id}.image", f"{kind}.{item.id}", kind)
                if image := self._pictures.read(item.image, place):
                    yield Reference(source=REFERENCE_MARK + item.id, image=image)

    def _job(
        self,
        shot: Shot,
        other: OtherModel | None,
        memory: MemoryJob,
        *,
        frames: int,
        width: int,
        height: int,
        fps: int,
    ) -> ShotJob:
        """One shot with the defaults of its model filled in."""
        story, spec = self._story, other.spec if other else self._spec
        rule = Seed(base=_first(shot.seed, story.seed), given=shot.seed is not None)
        return ShotJob(
            index=len(self.jobs),
            shot=shot.id,
            caption=shot.resolved_caption,
            negative=_first(shot.negative, spec.negative),
            frames=frames,
            width=width,
            height=height,
            fps=fps,
            seed=seed_of_take(rule, shot.id, 0),
            seed_rule=rule,
            steps=_first(shot.steps, spec.steps),
            guidance=_first(shot.guidance, spec.guidance),
            guidance_2=_first(shot.guidance, spec.guidance_2) if spec.experts > 1 else None,
            scheduler=_first(shot.scheduler, spec.scheduler),
            shift=_first(shot.shift, spec.shift),
            accept=_first(shot.accept, "first"),
            image=self._pictures.read(shot.image, place_of(story, shot, "image")) if shot.image else None,
            memory=memory,
            tokens=self._tokens(memory, frames=frames, width=width, height=height),
            other=other,
            subtitle=shot.subtitle,
        )

    def _memory(self, shot: Shot) -> MemoryJob:
        """What a shot can see. `memory.from` chooses among earlier shots; references stay visible to every shot, but
        not where a shot begins from what it remembers: that is a frame of the film, and none where it has a picture.
        """
        asked, spec = shot.memory, self._spec
        frames, policy = _first(asked.frames, spec.memory_frames), _first(asked.policy, spec.policy)
        budget = _first(asked.budget, spec.budget)
        chosen = None if asked.sources is None else frozenset(asked.sources)
        shots = list(self.jobs) if chosen is None else [earlier for earlier in self.jobs if earlier in chosen]
        begins = spec.remembers == "first-frame"
        blind = frames == 0 or budget == 0 or policy == "none" or spec.remembers == "nothing"
        blind |= begins and shot.image is not None
        references = () if begins else tuple(reference.source for reference in self.references)
        sources = () if blind else (*references, *shots)
        shown = tuple(self._shown(shot, chosen, frozenset(references))) if policy == "coverage" and not blind else ()
        guidance = asked.guidance
        if guidance is None:
            guidance = 0.0 if _introduces(shot, references) else spec.memory_guidance
        return MemoryJob(frames=frames, budget=budget, policy=policy, sources=sources, shown=shown, guidance=guidance)

    def _shown(self, shot: Shot, chosen: frozenset[str] | None, pictured: frozenset[str]) -> Iterator[Shown]:
        """What the caption names, where it is shown: its own reference, and the latest shots that name it too."""
        for id in self._mentions[shot.id]:
            shows = [mark for mark in (REFERENCE_MARK + id,) if mark in pictured]
            shows += reversed(list(islice(self._latest(id, chosen), MOST_SHOWING)))
            if shows:
                yield Shown(id=id, sources=tuple(shows))

    def _latest(self, id: str, chosen: frozenset[str] | None) -> Iterator[str]:
        """The earlier shots that name `id`, the latest first; of `chosen` ones alone, where some are."""
        naming = self._naming.get(id, [])
        if chosen is None or len(chosen) > len(naming):
            return (shot for shot in reversed(naming) if chosen is None or shot in chosen)
        earlier = [shot for shot in chosen if shot in self.jobs and id in self._mentions[shot]]
        return iter(sorted(earlier, key=lambda shot: -self.jobs[shot].index))

    def _tokens(self, memory: MemoryJob, *, frames: int, width: int, height: int) -> Tokens:
        """What the transformer will see. A reference is one latent frame of memory."""
        spec = self._spec
        rows, columns = spec.latent_size(width, height)
        visible = 0
        for source in memory.sources:
            if visible >= memory.frames:  # more of them change nothing, and a long film has thousands for each shot
                break
            visible += spec.latent_frames(self.jobs[source].frames) if source in self.jobs else 1
        most = min(memory.frames, visible, 1 if memory.policy == "last" else visible)
        table = allocate(most, memory.budget, height=rows, width=columns, levels=spec.levels)
        per_frame = spec.tokens_per_frame(width, height)
        return Tokens(
            noise=spec.latent_frames(frames) * per_frame,
            context=sum(level.tokens(rows, columns) for level in table),
            per_frame=per_frame,
        )


def _introduces(shot: Shot, references: tuple[str, ...]) -> bool:
    """Whether the caption writes out the look of a character that has no picture.

    A model's own guidance of the memory is not for such shots: what is remembered would get into what is new. Only what
    the caption itself says counts here, so that an edit of another shot changes nothing.
    """
    new = {REFERENCE_MARK + mention.id for mention in shot.mentions if mention.full and mention.kind == "character"}
    return not new.issubset(references)


def _first(asked: T | None, default: T) -> T:
    return default if asked is None else asked
