"""Check a plan against its model: lengths, sizes, inputs, memory and first frames. Nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from math import floor

from onestory_cli.errors import Diagnostic, Place
from onestory_cli.models.bases import BASES
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.workflow import INPUT_NAMES
from onestory_cli.planning.jobs import REFERENCE_MARK, ShotJob
from onestory_cli.schedulers import FIXED_STEPS
from onestory_cli.story.captions import long_caption_finding
from onestory_cli.story.types import Shot, Story

LONG_CAPTION = 300  # words, about the 512 tokens that Wan's text encoder reads


@dataclass(frozen=True, kw_only=True)
class ShotLength:
    """The frames of a shot, with the finding that says why the requested length is impossible."""

    frames: int
    finding: Diagnostic | None = None


def place_of(story: Story, shot: Shot | None, *keys: str) -> Place:
    """The place in the file of the first of `keys` that the shot, or else the story, has."""
    own = shot.places if shot else {}
    for key in (*keys, "id", "shots"):
        if place := own.get(key) or story.places.get(key):
            return place
    return Place(path=story.path)


def shot_length(story: Story, shot: Shot, spec: ModelSpec, fps: int) -> ShotLength:
    """The frames of a shot: `frames`, or `duration` x fps + 1, or the model's default. Must be stride x k + 1."""
    if shot.frames is not None:
        return _length_of_frames(story, shot, spec, shot.frames)
    if shot.duration is not None:
        return _length_of_duration(story, shot, spec, shot.duration, fps)
    return ShotLength(frames=spec.frames)


def _length_of_frames(story: Story, shot: Shot, spec: ModelSpec, frames: int) -> ShotLength:
    place = place_of(story, shot, "frames")
    if frames > spec.max_frames:
        finding = _too_long(spec, f"{frames} frames are", place, str(spec.max_frames))
        return ShotLength(frames=spec.max_frames, finding=finding)
    if (frames - 1) % spec.temporal_stride == 0 and frames > 0:
        return ShotLength(frames=frames)
    low, high = _nearest(frames - 1, spec.temporal_stride, spec.max_frames - 1)
    finding = Diagnostic(
        code="S210",
        message=f"{frames} frames is not {spec.temporal_stride}k+1",
        place=place,
        help=_use(str(low + 1), str(high + 1)),
    )
    return ShotLength(frames=spec.frames, finding=finding)


def _length_of_duration(story: Story, shot: Shot, spec: ModelSpec, duration: float, fps: int) -> ShotLength:
    place = place_of(story, shot, "duration")
    exact = duration * fps
    if exact > spec.max_frames - 1 + 1e-6:
        finding = _too_long(spec, f"{duration:g}s at {fps} fps is", place, _seconds(spec.max_frames - 1, fps))
        return ShotLength(frames=spec.max_frames, finding=finding)
    steps = round(exact)
    if abs(exact - steps) < 1e-6 and steps % spec.temporal_stride == 0 and steps > 0:
        return ShotLength(frames=steps + 1)
    low, high = _nearest(exact, spec.temporal_stride, spec.max_frames - 1, least=spec.temporal_stride)
    finding = Diagnostic(
        code="S211",
        message=f"{duration:g}s at {fps} fps is {exact + 1:g} frames, which is not {spec.temporal_stride}k+1",
        place=place,
        help=_use(*(f"{_seconds(value, fps)} ({value + 1} frames)" for value in (low, high))),
    )
    return ShotLength(frames=spec.frames, finding=finding)


def _too_long(spec: ModelSpec, length: str, place: Place, longest: str) -> Diagnostic:
    return Diagnostic(
        code="S212",
        message=f'{length} more than the {spec.max_frames} frames that "{spec.name}" can generate',
        place=place,
        help=f"use at most {longest}, or split the shot",
    )


def size_findings(story: Story, shot: Shot, spec: ModelSpec, width: int, height: int) -> Iterator[Diagnostic]:
    """S213 for a width or height that is not a multiple of the model's stride."""
    for key, value in (("width", width), ("height", height)):
        if value <= 0 or value % spec.size_multiple:
            low, high = _nearest(value, spec.size_multiple, None, least=spec.size_multiple)
            yield Diagnostic(
                code="S213",
                message=f"{key} {value} is not a multiple of {spec.size_multiple}",
                place=place_of(story, shot, key, "size"),
                help=_use(str(low), str(high)),
            )


def job_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec, first: ShotJob) -> Iterator[Diagnostic]:
    """S142, S214, S215, S217 to S219, S221 and S223 for a planned shot; `first` is the first job of the film."""
    if finding := long_caption_finding(shot):
        yield replace(finding, place=place_of(story, shot, "caption"))
    yield from _size_of_film(story, shot, job, first)
    yield from _memory_findings(story, shot, job, spec)
    yield from _start_findings(story, shot, job, spec)
    yield from _input_findings(story, shot, job, spec)
    yield from _step_findings(story, shot, job)


def _input_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec) -> Iterator[Diagnostic]:
    """S222 for a value that an external model has no input for."""
    if spec.external is None:
        return
    changed = (
        ("negative", "negative", shot.negative is not None),
        ("steps", "steps", shot.steps is not None),
        ("guidance", "guidance", shot.guidance is not None),
        ("scheduler", "scheduler", shot.scheduler is not None),
        ("shift", "shift", shot.shift is not None),
        ("lora", "lora", bool(story.loras)),
        ("frames", "frames" if shot.duration is None else "duration", job.frames != spec.frames),
        ("width", "size", job.width != spec.width),
        ("height", "size", job.height != spec.height),
        ("fps", "fps", job.fps != spec.fps),
    )
    for name, key, is_changed in changed:
        if is_changed and name not in spec.external.inputs:
            title = f", or give a node of the workflow the title `onestory:{name}`" if name in INPUT_NAMES else ""
            yield Diagnostic(
                code="S222",
                message=f'"{spec.name}" has no input for {name}, and shot "{job.shot}" changes it',
                place=place_of(story, shot, key),
                help=f"remove `{key}`{title}",
            )


def _step_findings(story: Story, shot: Shot, job: ShotJob) -> Iterator[Diagnostic]:
    """S223 for a scheduler that works with another number of steps."""
    steps = FIXED_STEPS.get(job.scheduler, job.steps)
    if job.steps != steps:
        yield Diagnostic(
            code="S223",
            message=f'the scheduler "{job.scheduler}" takes {steps} steps, not {job.steps}',
            place=place_of(story, shot, "steps", "scheduler"),
            help=f"use `steps: {steps}`, or another scheduler",
        )


def _size_of_film(story: Story, shot: Shot, job: ShotJob, first: ShotJob) -> Iterator[Diagnostic]:
    """S214: the memory and the film have one frame size."""
    if (job.width, job.height) != (first.width, first.height):
        yield Diagnostic(
            code="S214",
            message=f'shot "{job.shot}" is {job.width}x{job.height}, but the first shot is '
            f"{first.width}x{first.height}",
            place=place_of(story, shot, "width", "height", "size"),
            help="use one size for all shots, for example in `defaults:`",
        )


def _memory_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec) -> Iterator[Diagnostic]:
    """S215 for a budget below one frame, S217 for too many frames, S221 for guidance without an adapter."""
    if job.memory.sources and spec.levels[-1].patch and not job.tokens.context:
        coarsest = spec.levels[-1].tokens(*spec.latent_size(job.width, job.height))
        yield Diagnostic(
            code="S215",
            message=f"a memory budget of {job.memory.budget:g} is too small for one frame",
            place=place_of(story, shot, "memory.budget", "memory"),
            help=f"use at least {coarsest / job.tokens.per_frame:.3g}, or `memory: {{frames: 0}}` for no memory",
        )
    if spec.remembers == "first-frame" and job.memory.sources and job.memory.frames > 1:
        yield Diagnostic(
            code="S217",
            message=f'"{spec.name}" can start from one remembered frame, not from {job.memory.frames}',
            place=place_of(story, shot, "memory.frames", "memory"),
            help=f"use `memory: {{frames: 1}}`, or a model that takes several: {_names(remembers='references')}",
        )
    if shot.memory.guidance and spec.remembers != "context" and job.first_shot_model is None:
        yield Diagnostic(
            code="S221",
            message=f'memory guidance needs a memory adapter, and "{spec.name}" has none',
            place=place_of(story, shot, "memory.guidance", "memory"),
            help="remove `guidance` from `memory:`, or train an adapter with `onestory train`",
        )


def guidance_warnings(story: Story, shot: Shot, spec: ModelSpec) -> Iterator[Diagnostic]:
    """W314 for guidance of a model that was distilled to work without it."""
    for value, default, key in (
        (shot.guidance, spec.guidance, "guidance"),
        (shot.memory.guidance, spec.memory_guidance, "memory.guidance"),
    ):
        if spec.distilled and value is not None and value != default:
            yield Diagnostic(
                code="W314",
                message=f'"{spec.name}" was distilled to work without guidance: {key} {value:g} makes the shot worse',
                severity="warning",
                place=place_of(story, shot, key, "memory"),
                help="remove it, or use the model that it was distilled from",
            )


def _start_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec) -> Iterator[Diagnostic]:
    """S218 for a shot that lacks the first frame its base needs, S219 for a first frame that its base cannot take."""
    if not spec.from_text and not shot.image and not job.memory.sources:
        yield Diagnostic(
            code="S218",
            message=f'"{spec.name}" needs a first frame, and shot "{job.shot}" has none',
            place=place_of(story, shot, "caption"),
            help="add `image:` to the shot, or set `first_shot_model:` to a text-to-video model such as "
            + _names(task="t2v", latents_of=spec),
        )
    if shot.image and spec.first_frame == "none":
        yield Diagnostic(
            code="S219",
            message=f'"{spec.name}" is a text-to-video model and cannot start from a picture',
            place=place_of(story, shot, "image"),
            help=f"remove `image`, or use a model that can: {_names(task='vace')}, {_names(task='i2v')}",
        )


def first_shot_model_findings(story: Story, spec: ModelSpec, first: ModelSpec) -> Iterator[Diagnostic]:
    """S220 for a `first_shot_model` with other latents than `spec`, or one that needs a first frame itself."""
    problem = ""
    if not spec.same_latents(first):
        problem = f'"{spec.name}" cannot remember shots of "{first.name}": their latents differ'
    elif not first.from_text:
        problem = f'"{first.name}" needs a first frame too'
    if problem:
        yield Diagnostic(
            code="S220",
            message=problem,
            place=place_of(story, None, "first_shot_model", "model"),
            help=f"use a text-to-video model with the same latents, such as {_names(task='t2v', latents_of=spec)}",
        )


def caption_warnings(
    story: Story, shot: Shot, job: ShotJob, shots_showing: Mapping[str, Set[str]]
) -> Iterator[Diagnostic]:
    """W304 and W305 for a resolved caption. `shots_showing` has the earlier shots that mention an id."""
    full = {mention.id for mention in shot.mentions if mention.full}
    again = dict.fromkeys(mention.id for mention in shot.mentions if not mention.full and mention.id not in full)
    sources = job.memory.sources if again else ()
    visible = frozenset(sources[-1:] if job.memory.policy == "last" else sources)
    for id in again:
        if REFERENCE_MARK + id not in visible and visible.isdisjoint(shots_showing.get(id, ())):
            yield Diagnostic(
                code="W304",
                message=f'shot "{shot.id}" refers to "{id}", but no shot in its memory shows it',
                severity="warning",
                place=place_of(story, shot, f"caption.{id}", "caption"),
                help=f"write `${id}!` for the full look, or add a shot that shows it to `memory.from`",
            )
    count = len(shot.resolved_caption.split())
    if count > LONG_CAPTION:
        yield Diagnostic(
            code="W305",
            message=f'the resolved caption of shot "{shot.id}" has {count} words',
            severity="warning",
            place=place_of(story, shot, "caption"),
            help=f"text encoders ignore what follows about {LONG_CAPTION} words: put what matters first, or shorten it",
        )


def no_memory_warning(story: Story, jobs: tuple[ShotJob, ...], spec: ModelSpec) -> tuple[Diagnostic, ...]:
    """W311 for a film of several shots on a base without memory."""
    if spec.remembers != "nothing" or len(jobs) < 2:
        return ()
    finding = Diagnostic(
        code="W311",
        message=f'"{spec.name}" has no memory adapter: each shot is generated from its caption alone',
        severity="warning",
        place=place_of(story, None, "model"),
        help=f"captions repeat the full looks; {_names(remembers='references')} remembers without training",
    )
    return (finding,)


def _names(*, task: str = "", remembers: str = "", latents_of: ModelSpec | None = None) -> str:
    """At most two catalogue rows that match; TI2V where no row of that task has such latents."""
    rows = [row for row in BASES.values() if latents_of is None or row.same_latents(latents_of)]
    fit = [row for row in rows if (not task or row.task == task) and (not remembers or row.remembers == remembers)]
    return " or ".join(row.name for row in (fit or [row for row in rows if row.from_text])[:2])


def _nearest(value: float, multiple: int, most: int | None, *, least: int = 0) -> tuple[int, int]:
    """The multiples just below and above `value`, clamped to `least` and `most`."""
    low = max(least, floor(value / multiple) * multiple)
    high = max(least, low + multiple if low < value else low)
    return (low, high) if most is None else (min(low, most), min(high, most))


def _seconds(frames: int, fps: int) -> str:
    return f"{frames / fps:.4g}s"


def _use(low: str, high: str) -> str:
    return f"use {low}" if low == high else f"use {low} or {high}"
