"""What a model cannot do, told before any weights load: each finding names the two nearest values that work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor

from onestory_cli.errors import Diagnostic, Place
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.story.types import Shot, Story


@dataclass(frozen=True, kw_only=True)
class Length:
    """The frames of a shot, or the finding that says why it cannot have them."""

    frames: int
    finding: Diagnostic | None = None


def place_of(story: Story, shot: Shot | None, *keys: str) -> Place:
    """Where the first of `keys` stands that the shot, or else the story, has in its file."""
    own = shot.places if shot else {}
    for key in (*keys, "id", "shots"):
        if place := own.get(key) or story.places.get(key):
            return place
    return Place(path=story.path)


def length(story: Story, shot: Shot, spec: ModelSpec, fps: int) -> Length:
    """The shot's frames: its own, or `duration` x fps + 1, or the model's; always stride x k + 1."""
    if shot.frames is not None:
        return _length_of_frames(story, shot, spec, shot.frames)
    if shot.duration is not None:
        return _length_of_duration(story, shot, spec, shot.duration, fps)
    return Length(frames=spec.frames)


def _length_of_frames(story: Story, shot: Shot, spec: ModelSpec, frames: int) -> Length:
    place = place_of(story, shot, "frames")
    if frames > spec.max_frames:
        return Length(
            frames=spec.max_frames, finding=_too_long(spec, f"{frames} frames are", place, str(spec.max_frames))
        )
    if (frames - 1) % spec.temporal_stride == 0 and frames > 0:
        return Length(frames=frames)
    low, high = _nearest(frames - 1, spec.temporal_stride, spec.max_frames - 1)
    finding = Diagnostic(
        code="S210",
        message=f"{frames} frames is not {spec.temporal_stride}k+1",
        place=place,
        help=_use(str(low + 1), str(high + 1)),
    )
    return Length(frames=spec.frames, finding=finding)


def _length_of_duration(story: Story, shot: Shot, spec: ModelSpec, duration: float, fps: int) -> Length:
    place = place_of(story, shot, "duration")
    exact = duration * fps
    if exact > spec.max_frames - 1 + 1e-6:
        longest = _seconds(spec.max_frames - 1, fps)
        return Length(frames=spec.max_frames, finding=_too_long(spec, f"{duration:g}s at {fps} fps is", place, longest))
    steps = round(exact)
    if abs(exact - steps) < 1e-6 and steps % spec.temporal_stride == 0 and steps > 0:
        return Length(frames=steps + 1)
    low, high = _nearest(exact, spec.temporal_stride, spec.max_frames - 1, least=spec.temporal_stride)
    finding = Diagnostic(
        code="S211",
        message=f"{duration:g}s at {fps} fps is {exact + 1:g} frames, which is not {spec.temporal_stride}k+1",
        place=place,
        help=_use(*(f"{_seconds(value, fps)} ({value + 1} frames)" for value in (low, high))),
    )
    return Length(frames=spec.frames, finding=finding)


def _too_long(spec: ModelSpec, what: str, place: Place, longest: str) -> Diagnostic:
    return Diagnostic(
        code="S212",
        message=f'{what} more than the {spec.max_frames} frames that "{spec.name}" can make',
        place=place,
        help=f"use at most {longest}, or tell it in two shots",
    )


def size_findings(story: Story, shot: Shot, spec: ModelSpec, width: int, height: int) -> Iterator[Diagnostic]:
    """S213 for a width or height that the model's strides cannot make."""
    for key, value in (("width", width), ("height", height)):
        if value <= 0 or value % spec.size_multiple:
            low, high = _nearest(value, spec.size_multiple, None, least=spec.size_multiple)
            yield Diagnostic(
                code="S213",
                message=f"{key} {value} is not a multiple of {spec.size_multiple}",
                place=place_of(story, shot, key, "size"),
                help=_use(str(low), str(high)),
            )


def size_of_film(story: Story, shot: Shot, job: ShotJob, first: ShotJob) -> Iterator[Diagnostic]:
    """S214 for a shot of another size than the film's first: one memory and one film hold one size."""
    if (job.width, job.height) != (first.width, first.height):
        yield Diagnostic(
            code="S214",
            message=f'"{job.shot}" is {job.width}x{job.height}, but the film begins in {first.width}x{first.height}',
            place=place_of(story, shot, "width", "height", "size"),
            help="give all shots one size, best in `defaults:`",
        )


def budget_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec) -> Iterator[Diagnostic]:
    """S215 for a memory budget that cannot carry one frame."""
    if job.memory.sources and spec.levels[-1].patch and not job.tokens.context:
        coarsest = spec.levels[-1].tokens(*spec.latent_size(job.width, job.height))
        yield Diagnostic(
            code="S215",
            message=f"a memory budget of {job.memory.budget:g} cannot carry one frame",
            place=place_of(story, shot, "memory.budget", "memory"),
            help=f"use at least {coarsest / job.tokens.per_frame:.3g}, or `memory: {{frames: 0}}` for no memory",
        )


def _nearest(value: float, multiple: int, most: int | None, *, least: int = 0) -> tuple[int, int]:
    """The multiples just below and above `value`, held between `least` and `most`."""
    low = max(least, floor(value / multiple) * multiple)
    high = max(least, low + multiple if low < value else low)
    return (low, high) if most is None else (min(low, most), min(high, most))


def _seconds(frames: int, fps: int) -> str:
    return f"{frames / fps:.4g}s"


def _use(low: str, high: str) -> str:
    return f"use {low}" if low == high else f"use {low} or {high}"
