"""Options that fit a model to this machine, for render, resume and batch.

`distributed` lets several processes run a command together: `torchrun --nproc-per-node N -m -- onestory_cli render`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

from onestory_cli.commands._options import flag, option
from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean
from onestory_cli.models.offload.config import (
    CONTEXT,
    OFFLOADS,
    STORAGES,
    ExecutionRequest,
    parse_cache,
    parse_size,
)

if TYPE_CHECKING:
    from onestory_cli.commands._screen import Screen
    from onestory_cli.models.spec import ModelSpec
    from onestory_cli.planning.jobs import Plan

PANEL = "GPU memory and speed"


def _option(name: str, *, metavar: str, help: str) -> Any:
    return option(name, metavar=metavar, help=help, rich_help_panel=PANEL)


@dataclass(frozen=True, kw_only=True)
class FittingFlags:
    """The options as given."""

    vram: Annotated[
        str | None,
        _option(
            "--vram",
            metavar="auto|SIZE",
            help="Fit the model into the memory of the GPU, or into SIZE of it, such as 24GB.",
        ),
    ] = None
    offload: Annotated[
        str | None,
        _option(
            "--offload",
            metavar="none|model|group",
            help="Keep weights in RAM until they are needed: whole models, or groups of blocks.",
        ),
    ] = None
    quantise: Annotated[
        str | None,
        _option(
            "--quantise",
            metavar="none|fp8|int8|nf4",
            help="Store the transformer's weights in fewer bits. Changes the film.",
        ),
    ] = None
    vae_tiling: Annotated[
        bool | None,
        _option("--vae-tiling/--no-vae-tiling", metavar="", help="Decode in tiles. Changes the film."),
    ] = None
    attention: Annotated[
        str,
        _option(
            "--attention",
            metavar="KERNEL",
            help="Attention backend of diffusers, such as flash or sage. Changes the film.",
        ),
    ] = ""
    compile_blocks: Annotated[
        bool,
        flag("--compile-blocks", help="Compile the transformer's blocks: slow start, then faster. Changes the film."),
    ] = False

    cache: Annotated[
        str | None,
        _option(
            "--cache",
            metavar="MODE",
            help="Reuse work between steps: `context` computes context tokens once per shot; `first-block[:T]` skips "
            "the other blocks while the first one changes by less than T (0.05). Changes the film.",
        ),
    ] = None

    @property
    def given(self) -> bool:
        return self != FittingFlags()


def fit_plan(screen: Screen, plan: Plan, flags: FittingFlags, device: str) -> Plan:
    """Return the plan with its models fitted to this machine; the same plan without flags.

    Raises:
        OnestoryError: U606 for an unknown value of a flag, U607 if a model does not fit.
    """
    (fitted,) = fit_plans(screen, [plan], flags, device)
    return fitted


def fit_plans(screen: Screen, plans: Sequence[Plan], flags: FittingFlags, device: str) -> list[Plan]:
    """Fit the models of several plans, and report the result once per model."""
    if not flags.given:
        return [*plans]
    request, memory = _request(flags), parse_size(flags.vram) if flags.vram else None
    from onestory_cli.rendering.execution import configure_plan

    fitted = [
        configure_plan(plan, request, device=device, memory=memory, distributed=is_distributed()) for plan in plans
    ]
    specs = [spec for plan in fitted for spec in (plan.model, *_first_model(plan))]
    for line in dict.fromkeys(f"{spec.name} on this machine: {_how(spec)}" for spec in specs):
        screen.note(line, style="dim")
    if flags.vram and not _has_gpu(device):
        screen.note("this machine has no GPU; --vram has no effect", style="yellow")
    if request.reuse_context:
        for name in dict.fromkeys(spec.name for spec in specs if spec.isolated_context):
            screen.note(f"--cache context has no effect: {name} has isolated context", style="yellow")
    return fitted


def _first_model(plan: Plan) -> list[Any]:
    return [plan.first_shot_model.spec] if plan.first_shot_model else []


def _has_gpu(device: str) -> bool:
    from onestory_cli.models.load import pick_device

    return str(pick_device(device)) != "cpu"


def _request(flags: FittingFlags) -> ExecutionRequest:
    for name, value, known in (("--offload", flags.offload, OFFLOADS), ("--quantise", flags.quantise, STORAGES)):
        if value is not None and value not in known:
            help = did_you_mean(value, known) or f"use one of {', '.join(known)}"
            raise OnestoryError("U606", f'unknown {name} mode "{value}"', help=help, exit=ExitCode.USAGE)
    return ExecutionRequest(
        offload=flags.offload,  # type: ignore[arg-type]
        storage=flags.quantise,  # type: ignore[arg-type]
        vae_tiling=flags.vae_tiling,
        attention=flags.attention,
        compile_blocks=flags.compile_blocks,
        cache=None if flags.cache in (None, CONTEXT) else parse_cache(flags.cache),
        reuse_context=flags.cache == CONTEXT,
    )


P = ParamSpec("P")
STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"


def is_distributed() -> bool:
    """Whether torchrun started this process together with others."""
    return STARTED_BY_TORCHRUN in os.environ and os.environ["WORLD_SIZE"] != "1"


def distributed(command: Callable[P, ExitCode]) -> Callable[P, ExitCode]:
    """Run the command in the first process only. The others compute their part of its model and write nothing."""

    @functools.wraps(command)
    def in_each_process(*args: P.args, **kwargs: P.kwargs) -> ExitCode:
        if not is_distributed():
            return command(*args, **kwargs)
        from onestory_cli.models import context_parallel as parallel

        rank = int(os.environ["LOCAL_RANK"])
        parallel.join_process_group(rank)
        try:
            if parallel.has_followers():
                return command(*args, **kwargs)
            from onestory_cli.models.load import load_model

            parallel.follow(rank, lambda spec, device: load_model(spec, device, shared=True).denoiser.transformers)
            return ExitCode.DONE
        finally:
            parallel.leave_process_group()

    return in_each_process


def _how(spec: ModelSpec) -> str:
    how = str(spec.execution)
    return "no offload, no quantization" if how == "none" else how
