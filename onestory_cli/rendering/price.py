"""What the pending shots of a plan cost, estimated before any weights are loaded. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onestory_cli.errors import OnestoryError
from onestory_cli.models.offload.config import device_bytes
from onestory_cli.models.offload.sizes import memory_sizes
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.feasibility import part_sizes, seconds_to_render
from onestory_cli.store.reuse import Decision


@dataclass(frozen=True, kw_only=True)
class Price:
    """The cost of the shots of a plan that are not certain to be reused.

    `seconds` follow from the times of finished takes; None without takes. `gigabytes` (10^9 bytes) is the memory of the
    device for the largest shot, with the plan's offload and quantization; None if the size of the model is not known.
    `passes` is the largest number of evaluations of the transformer; None for an external model.
    """

    seconds: float | None
    gigabytes: float | None
    passes: int | None


def price_of(plan: Plan, decisions: Sequence[Decision]) -> Price:
    """The price of the pending shots among `decisions`."""
    pending = _pending(decisions)
    return Price(
        seconds=seconds_of(decisions),
        gigabytes=_gigabytes(plan, pending),
        passes=None if plan.model.external else sum(map(passes_of, pending)),
    )


def seconds_of(decisions: Sequence[Decision]) -> float | None:
    """The estimated time of the pending shots, from the takes of the same run; None without takes."""
    records = [decision.take.record for decision in decisions if decision.take]
    return seconds_to_render(_pending(decisions), records)


def passes_of(job: ShotJob) -> int:
    """The largest number of evaluations of the transformer: guidance adds one per step, memory guidance another.

    Memory guidance is skipped in the less noisy steps.
    """
    guided = any(scale not in (None, 1.0) for scale in (job.guidance, job.guidance_2))
    remembers = bool(job.memory.guidance and job.memory.sources)
    return job.steps * (1 + guided + remembers)


def _pending(decisions: Sequence[Decision]) -> list[ShotJob]:
    return [decision.job for decision in decisions if decision.action != "keep"]


def _gigabytes(plan: Plan, jobs: Sequence[ShotJob]) -> float | None:
    first = [job for job in jobs if job.first_shot_model]
    sizes = [_device_bytes(plan.model, [job for job in jobs if not job.first_shot_model])]
    if plan.first_shot_model:
        sizes.append(_device_bytes(plan.first_shot_model.spec, first))
    known = [size for size in sizes if size is not None]
    return round(max(known) / 1e9, 2) if len(known) == len(sizes) else None


def _device_bytes(spec: ModelSpec, jobs: Sequence[ShotJob]) -> int | None:
    """Memory of a model and its largest shot; 0 without shots, None if its size is not known."""
    if not jobs:
        return 0
    try:
        parts = None if spec.external else part_sizes(spec)
    except OnestoryError:  # damaged weights: a plan needs none, and a render reports them
        parts = None
    if parts is None:
        return None
    job = max(jobs, key=lambda job: job.tokens.noise + job.tokens.context)
    context = job.tokens.context
    sizes = memory_sizes(spec, frames=job.frames, width=job.width, height=job.height, context=context, parts=parts)
    return device_bytes(sizes, spec.execution)
