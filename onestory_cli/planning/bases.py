"""What a base can begin a shot from and remember without an adapter, told before any weights load."""

from __future__ import annotations

from collections.abc import Iterator

from onestory_cli.errors import Diagnostic
from onestory_cli.models.bases import BASES
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.planning.limits import place_of
from onestory_cli.story.types import Shot, Story


def base_findings(story: Story, shot: Shot, job: ShotJob, spec: ModelSpec) -> Iterator[Diagnostic]:
    """S217 for more remembered frames than a base can begin from, S218 for a shot that has nothing to begin from, S219
    for a picture that a base cannot begin from, S221 for guidance of a memory that no adapter reads."""
    if spec.remembers == "first-frame" and job.memory.sources and job.memory.frames > 1:
        yield Diagnostic(
            code="S217",
            message=f'"{spec.name}" goes on from one remembered frame, not from {job.memory.frames}',
            place=place_of(story, shot, "memory.frames", "memory"),
            help=f"use `memory: {{frames: 1}}`, or a model that takes several: {_names(remembers='references')}",
        )
    if not spec.from_text and not shot.image and not job.memory.sources:
        yield Diagnostic(
            code="S218",
            message=f'"{spec.name}" begins every shot from a picture, and "{job.shot}" has none',
            place=place_of(story, shot, "caption"),
            help="give it `image:`, or let the story have a `first_shot_model:` that can begin from words, such as "
            + _names(task="t2v", latents_of=spec),
        )
    if shot.image and spec.first_frame == "none":
        yield Diagnostic(
            code="S219",
            message=f'"{spec.name}" makes video of text alone and cannot begin from a picture',
            place=place_of(story, shot, "image"),
            help=f"leave `image` out, or use a model that can: {_names(task='vace')}, {_names(task='i2v')}",
        )
    if shot.memory.guidance and spec.remembers != "context" and job.other is None:
        yield Diagnostic(
            code="S221",
            message=f'"{spec.name}" has no memory adapter, so that nothing guides it by its memory',
            place=place_of(story, shot, "memory.guidance", "memory"),
            help="leave `guidance` out of `memory:`, or train an adapter for the model with `onestory train`",
        )


def first_model_findings(story: Story, spec: ModelSpec, first: ModelSpec) -> Iterator[Diagnostic]:
    """S220 for a first model whose latents the other cannot remember, or that cannot begin from text either."""
    place = place_of(story, None, "first_shot_model", "model")
    if not spec.same_latents(first):
        yield Diagnostic(
            code="S220",
            message=f'what "{first.name}" makes cannot be remembered by "{spec.name}": their latents differ',
            place=place,
            help=f"use one with the same latents, such as {_names(task='t2v', latents_of=spec)}",
        )
    elif not first.from_text:
        yield Diagnostic(
            code="S220",
            message=f'"{first.name}" cannot begin from words either',
            place=place,
            help=f"use one that can, such as {_names(task='t2v', latents_of=spec)}",
        )


def forgetful_base(story: Story, jobs: tuple[ShotJob, ...], spec: ModelSpec) -> tuple[Diagnostic, ...]:
    """W311 for a film of several shots on a base that remembers nothing."""
    if spec.remembers != "nothing" or len(jobs) < 2:
        return ()
    finding = Diagnostic(
        code="W311",
        message=f'"{spec.name}" has no adapter and remembers nothing: each shot is made from its caption alone',
        severity="warning",
        place=place_of(story, None, "model"),
        help=f"{_names(remembers='references')} remembers without training; or train an adapter for this base",
    )
    return (finding,)


def _names(*, task: str = "", remembers: str = "", latents_of: ModelSpec | None = None) -> str:
    """The rows of the catalogue that have this, at most two of them; TI2V where no other has such latents."""
    rows = [row for row in BASES.values() if latents_of is None or row.same_latents(latents_of)]
    fit = [row for row in rows if (not task or row.task == task) and (not remembers or row.remembers == remembers)]
    return " or ".join(row.name for row in (fit or [row for row in rows if row.from_text])[:2])
