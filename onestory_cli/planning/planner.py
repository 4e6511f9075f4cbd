"""make_plan: resolve a story on a model, fill in the model's defaults and report everything that is wrong at once."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.policies import MAX_KEYFRAMES, needs_shown
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.assets import AssetReader, included_file
from onestory_cli.planning.crops import CropPlanner
from onestory_cli.planning.jobs import (
    REFERENCE_MARK,
    Appearances,
    FirstShotModel,
    MemoryJob,
    Plan,
    Reference,
    Seed,
    ShotJob,
    Sound,
    Tokens,
    no_such_shot,
    seed_of_take,
)
from onestory_cli.planning.validation import (
    caption_warnings,
    first_shot_model_findings,
    guidance_warnings,
    job_findings,
    no_memory_warning,
    place_of,
    shot_length,
    size_findings,
)
from onestory_cli.planning.vocabulary import unknown_combinations, unknown_words
from onestory_cli.story.captions import with_full_looks
from onestory_cli.story.types import Audio, Shot, Story


def clean_prompt(text: str) -> str:
    """Clean a caption as the Wan team does before its text encoder.

    Repair broken encodings, make quotes straight, resolve HTML entities and fold white space.

    As in Wan2.1 and Wan2.2 wan/modules/tokenizers.py, `basic_clean` and `whitespace_clean`.
    """
    if not text.isascii():
        from ftfy import fix_text  # slow to import, and most captions are ASCII

        text = fix_text(text)
    return " ".join(html.unescape(html.unescape(text)).split())


MAX_APPEARANCES = 100  # latest earlier shots of a character that the coverage policy searches

T = TypeVar("T")


def make_plan(
    story: Story,
    spec: ModelSpec,
    *,
    model_fingerprint: str = "",
    first_shot_model: FirstShotModel | None = None,
    until: str | None = None,
    images: Mapping[str, Path] | None = None,
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """The plan of a story on a model, up to and including shot `until`, and warnings about it.

    `first_shot_model` generates the shots that start from their caption alone. `images` maps paths as written to other
    files that are read instead (a run's frozen copies).

    Raises:
        Findings: everything that the model cannot do, all at once.
        OnestoryError: S230 if `until` is not a shot of the story.
    """
    planner = Planner(story, spec, AssetReader(Path(story.path).parent, images or {}), first_shot_model)
    for shot in _until(story.shots, until):
        planner.add(shot)
    jobs = tuple(planner.jobs.values())
    sounds = tuple(planner.sounds())
    story = replace(story, shots=(*planner.shots, *story.shots[len(jobs) :]))
    wording = (*unknown_words(story, jobs, spec), *unknown_combinations(story, jobs, spec))
    warnings = _unique(*planner.warnings, *wording, *no_memory_warning(story, jobs, spec))
    if planner.findings:
        raise Findings(_unique(*planner.findings, *warnings))
    plan = Plan(
        story=story,
        model=spec,
        model_fingerprint=model_fingerprint,
        jobs=jobs,
        references=planner.references,
        output=replace(story.output, scale=_or_default(story.output.scale, spec.scale)),
        first_shot_model=first_shot_model,
        sounds=sounds,
        included=tuple(included_file(item, Path(story.path).parent, images or {}) for item in story.included),
    )
    return plan, warnings


def _unique(*findings: Diagnostic) -> tuple[Diagnostic, ...]:
    """Each finding once: a wrong value in `defaults:` is found in every shot, at the same place."""
    return tuple(dict.fromkeys(findings))


def _until(shots: tuple[Shot, ...], until: str | None) -> tuple[Shot, ...]:
    if until is None:
        return shots
    ids = [shot.id for shot in shots]
    if until not in ids:
        raise no_such_shot(until, ids)
    return shots[: ids.index(until) + 1]


class Planner:
    """Resolves the shots of a story in film order: `jobs` by shot id, `shots` as the model sees them, and findings."""

    def __init__(
        self, story: Story, spec: ModelSpec, assets: AssetReader, first_shot_model: FirstShotModel | None = None
    ) -> None:
        self._story, self._spec, self._assets, self._first_shot_model = story, spec, assets, first_shot_model
        self._findings: list[Diagnostic] = []
        if first_shot_model:
            self._findings += first_shot_model_findings(story, spec, first_shot_model.spec)
        self._mentions = {shot.id: {mention.id: None for mention in shot.mentions} for shot in story.shots}
        self._crops = CropPlanner(story, spec)
        self._shots_naming: dict[str, list[str]] = {}
        self._shots_showing: dict[str, set[str]] = {}
        self.jobs: dict[str, ShotJob] = {}
        self.shots: list[Shot] = []
        self.warnings: list[Diagnostic] = []
        self.references = tuple(self._references())

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        return (*self._findings, *self._assets.findings)

    def add(self, shot: Shot) -> None:
        """Resolve the next shot. The model default replaces an impossible length or size, and planning continues."""
        story, memory = self._story, self._memory(shot)
        first = None if shot.image or memory.sources else self._first_shot_model
        spec = first.spec if first else self._spec
        if spec.remembers != "context" and shot.captions in (None, "auto"):
            shot = with_full_looks(shot, story.declared, story.style)
        fps = story.fps or self._spec.fps
        length = shot_length(story, shot, spec, fps)
        width, height = _or_default(shot.width, spec.width), _or_default(shot.height, spec.height)
        self._findings += [length.finding] if length.finding else []
        if wrong := list(size_findings(story, shot, spec, width, height)):
            self._findings += wrong
            width, height = spec.width, spec.height
        job = self._job(shot, first, memory, frames=length.frames, width=width, height=height, fps=fps)
        self.jobs[shot.id] = job
        self.shots.append(shot)
        self.warnings += caption_warnings(story, shot, job, self._shots_showing)
        self.warnings += guidance_warnings(story, shot, spec)
        for id in self._mentions[shot.id]:
            self._shots_naming.setdefault(id, []).append(shot.id)
            self._shots_showing.setdefault(id, set()).add(shot.id)
        self._findings += job_findings(story, shot, job, spec, next(iter(self.jobs.values())))

    def sounds(self) -> Iterator[Sound]:
        """The sound of the story, then those of the planned shots."""
        named: list[tuple[Shot | None, Audio | None]] = [(None, self._story.audio)]
        named += [(shot, shot.audio) for shot in self._story.shots if shot.id in self.jobs]
        for shot, audio in named:
            if audio and (file := self._assets.read(audio.file, place_of(self._story, shot, "audio.file"))):
                yield Sound(audio=audio, input=file, shot=shot.id if shot else None)

    def _references(self) -> Iterator[Reference]:
        """The reference images of characters, then of settings."""
        for kind, declared in (("characters", self._story.characters), ("settings", self._story.settings)):
            for item in declared:
                if not item.image:
                    continue
                place = place_of(self._story, None, f"{kind}.{item.id}.image", f"{kind}.{item.id}", kind)
                if image := self._assets.read(item.image, place):
                    yield Reference(source=REFERENCE_MARK + item.id, image=image)

    def _job(
        self,
        shot: Shot,
        first: FirstShotModel | None,
        memory: MemoryJob,
        *,
        frames: int,
        width: int,
        height: int,
        fps: int,
    ) -> ShotJob:
        """One shot with the defaults of its model filled in."""
        story, spec = self._story, first.spec if first else self._spec
        rule = Seed(base=_or_default(shot.seed, story.seed), given=shot.seed is not None)
        return ShotJob(
            index=len(self.jobs),
            shot=shot.id,
            caption=clean_prompt(shot.resolved_caption),
            negative=spec.negative if shot.negative is None else clean_prompt(shot.negative),
            frames=frames,
            width=width,
            height=height,
            fps=fps,
            seed=seed_of_take(rule, shot.id, 0),
            seed_rule=rule,
            steps=_or_default(shot.steps, spec.steps),
            guidance=_or_default(shot.guidance, spec.guidance),
            guidance_2=_or_default(shot.guidance, spec.guidance_2) if spec.experts > 1 else None,
            scheduler=_or_default(shot.scheduler, spec.scheduler),
            shift=_or_default(shot.shift, spec.shift),
            accept=_or_default(shot.accept, "first"),
            image=self._assets.read(shot.image, place_of(story, shot, "image")) if shot.image else None,
            memory=memory,
            tokens=self._tokens(memory, frames=frames, width=width, height=height),
            first_shot_model=first,
            subtitle=shot.subtitle,
            trim=self._trim(memory, spec, frames),
        )

    def _trim(self, memory: MemoryJob, spec: ModelSpec, frames: int) -> int:
        """1 for a shot that continues from the last frame of the previous one, which its clip would show again."""
        from_last = memory.policy == "last" and bool(memory.sources) and spec.remembers == "first-frame"
        return int((from_last or memory.continues) and frames > 1)

    def _memory(self, shot: Shot) -> MemoryJob:
        """What a shot can see. `memory.from` chooses among earlier shots; references are visible to every shot.

        A base that remembers by first frame sees no references, because its first frame must come from the film, and
        no memory where the shot has a picture of its own.
        """
        request, spec = shot.memory, self._spec
        frames = _or_default(request.frames, spec.memory_frames)
        policy = _or_default(request.policy, spec.policy)
        budget = _or_default(request.budget, spec.budget)
        chosen = None if request.sources is None else frozenset(request.sources)
        shots = list(self.jobs) if chosen is None else [earlier for earlier in self.jobs if earlier in chosen]
        by_first_frame = spec.remembers == "first-frame"
        off = frames == 0 or budget == 0 or policy == "none" or spec.remembers == "nothing"
        off |= by_first_frame and shot.image is not None
        references = () if by_first_frame else tuple(self._visible_references(shot))
        sources = () if off else (*references, *shots)
        continues = shot.cut is False and shot.image is None and any(source in self.jobs for source in sources)
        if continues and by_first_frame:
            policy, continues = "last", False
        covers = needs_shown(policy) and not off
        shown = tuple(self._appearances(shot, chosen, frozenset(references))) if covers else ()
        guidance = request.guidance
        if guidance is None:
            guidance = 0.0 if _introduces_character(shot, references) else spec.memory_guidance
        return MemoryJob(
            frames=frames,
            budget=budget,
            policy=policy,
            sources=sources,
            shown=shown,
            guidance=guidance,
            continues=continues and spec.first_frame != "none" and not spec.external,
            crop=self._crops.crop(shot, list(self._mentions[shot.id]), sources, self._shots_showing),
        )

    def _visible_references(self, shot: Shot) -> Iterator[str]:
        """All references; with an external model, which gets few pictures, only what the caption mentions."""
        for reference in self.references:
            if self._spec.external is None or reference.source.removeprefix(REFERENCE_MARK) in self._mentions[shot.id]:
                yield reference.source

    def _appearances(
        self, shot: Shot, chosen: frozenset[str] | None, references: frozenset[str]
    ) -> Iterator[Appearances]:
        """Per id in the caption: its own reference, and the latest earlier shots whose captions mention it too."""
        for id in self._mentions[shot.id]:
            sources = [mark for mark in (REFERENCE_MARK + id,) if mark in references]
            sources += reversed(list(islice(self._latest(id, chosen), MAX_APPEARANCES)))
            if sources:
                yield Appearances(id=id, sources=tuple(sources))

    def _latest(self, id: str, chosen: frozenset[str] | None) -> Iterator[str]:
        """The earlier shots that mention `id`, the latest first; only those in `chosen` unless it is None."""
        naming = self._shots_naming.get(id, [])
        if chosen is None or len(chosen) > len(naming):
            return (shot for shot in reversed(naming) if chosen is None or shot in chosen)
        earlier = [shot for shot in chosen if shot in self.jobs and id in self._mentions[shot]]
        return iter(sorted(earlier, key=lambda shot: -self.jobs[shot].index))

    def _tokens(self, memory: MemoryJob, *, frames: int, width: int, height: int) -> Tokens:
        """The tokens that the transformer processes. A reference is one latent frame of memory."""
        spec = self._spec
        rows, columns = spec.latent_size(width, height)
        visible = 0
        for source in memory.sources:
            if visible >= memory.frames:  # more change nothing, and a long film has thousands of sources per shot
                break
            visible += self._visible_frames(source)
        selected = min(memory.frames, visible, 1 if memory.policy == "last" else visible)
        table = allocate(selected, memory.budget, height=rows, width=columns, levels=spec.levels)
        per_frame = spec.tokens_per_frame(width, height)
        return Tokens(
            noise=spec.latent_frames(frames) * per_frame,
            context=sum(level.tokens(rows, columns) for level in table),
            per_frame=per_frame,
        )

    def _visible_frames(self, source: str) -> int:
        """The most latent frames of a source that a shot may remember."""
        if source not in self.jobs:
            return 1
        frames = self._spec.latent_frames(self.jobs[source].frames)
        return min(MAX_KEYFRAMES, frames) if self._spec.remembers == "keyframes" else frames


def _introduces_character(shot: Shot, references: tuple[str, ...]) -> bool:
    """Whether the caption writes out the look of a character that has no reference image.

    The model's own memory guidance is off in such shots: it would draw remembered characters into the new one. Only the
    caption counts, so that editing another shot changes nothing here.
    """
    new = {REFERENCE_MARK + mention.id for mention in shot.mentions if mention.full and mention.kind == "character"}
    return not new.issubset(references)


def _or_default(value: T | None, default: T) -> T:
    return default if value is None else value
