"""Plans whose models are configured for this machine: offload, quantization, tiling, attention and cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onestory_cli.models.availability import require_ready
from onestory_cli.models.offload.config import ExecutionConfig, ExecutionRequest, choose_execution, refuse_cache

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan


def configure_plan(
    plan: Plan, request: ExecutionRequest, *, device: str, memory: int | None, distributed: bool = False
) -> Plan:
    """Return the plan with the execution config of each model, and with the keys that follow from it.

    `memory` is the usable GPU memory in bytes (None: all of it).

    Raises:
        OnestoryError: M5xx if a model cannot be used here, U607 if it does not fit.
    """
    from onestory_cli.models.fingerprint import fingerprint_of

    def configured(spec: ModelSpec) -> ModelSpec:
        if spec.external:
            return spec
        # a model with isolated context always reuses it, and the option would only change its keys
        wanted = replace(request, reuse_context=request.reuse_context and not spec.isolated_context)
        return replace(spec, execution=_config(spec, plan, wanted, device, memory, distributed))

    model, first = configured(plan.model), plan.first_shot_model
    if first:
        spec = configured(first.spec)
        first = replace(first, spec=spec, fingerprint=fingerprint_of(spec))
    jobs = tuple(replace(job, first_shot_model=first if job.first_shot_model else None) for job in plan.jobs)
    return replace(plan, model=model, model_fingerprint=fingerprint_of(model), jobs=jobs, first_shot_model=first)


def _config(
    spec: ModelSpec, plan: Plan, request: ExecutionRequest, device: str, memory: int | None, distributed: bool
) -> ExecutionConfig:
    from onestory_cli.models.load import pick_device
    from onestory_cli.models.offload.apply import device_memory
    from onestory_cli.models.offload.sizes import memory_sizes

    require_ready(spec)
    largest = max(plan.jobs, key=lambda job: job.tokens.noise + job.tokens.context)
    sizes = memory_sizes(
        spec,
        frames=largest.frames,
        width=largest.width,
        height=largest.height,
        context=largest.tokens.context,
    )
    config = choose_execution(sizes, device_memory(pick_device(device), memory), request)
    refuse_cache(config, vace=spec.task == "vace", shared=distributed)
    return config
