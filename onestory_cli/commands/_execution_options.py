"""The flags that fit a model to this machine, and what they make of a plan: for render, resume and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from onestory_cli.commands._distributed import shares
from onestory_cli.commands._options import flag, option
from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean
from onestory_cli.models.offload.config import (
    CONTEXT,
    OFFLOADS,
    STORAGES,
    ExecutionConfig,
    ExecutionRequest,
    choose_execution,
    parse_cache,
    parse_size,
    refuse_cache,
)

if TYPE_CHECKING:
    from onestory_cli.commands._screen import Screen
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan

PANEL = "Fitting the GPU"


def _option(name: str, *, metavar: str, help: str) -> Any:
    """An option of this panel; without it the model stays as it is."""
    return option(name, metavar=metavar, help=help, rich_help_panel=PANEL)


@dataclass(frozen=True, kw_only=True)
class FittingFlags:
    """The flags as given."""

    vram: Annotated[
        str | None,
        _option(
            "--vram",
            metavar="auto|SIZE",
            help="Fit the model into the GPU's memory, or into SIZE of it, such as 24GB.",
        ),
    ] = None
    offload: Annotated[
        str | None,
        _option(
            "--offload",
            metavar="none|model|group",
            help="Let weights wait in the machine's memory: whole parts, or blocks of them.",
        ),
    ] = None
    quantise: Annotated[
        str | None,
        _option(
            "--quantise",
            metavar="none|fp8|int8|nf4",
            help="Keep the transformer's weights in fewer bits. Changes the film.",
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
            help="Another attention kernel of diffusers, such as flash or sage. Changes the film.",
        ),
    ] = ""
    compile_blocks: Annotated[
        bool,
        flag("--compile-blocks", help="Compile the transformer's blocks: a slow start, then faster. Changes the film."),
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
    """The plan with its models fitted to this machine, and its keys with them; without flags it is what it was.

    Raises:
        OnestoryError: U606 for a value that a flag does not know, U607 where a model cannot be made to fit.
    """
    (fitted,) = fit_plans(screen, [plan], flags, device)
    return fitted


def fit_plans(screen: Screen, plans: Sequence[Plan], flags: FittingFlags, device: str) -> list[Plan]:
    """The same of many plans; each way that a model is fitted is said once."""
    if not flags.given:
        return [*plans]
    asked, memory = _asked(flags), parse_size(flags.vram) if flags.vram else None
    fitted = [_fit(plan, asked, device, memory) for plan in plans]
    specs = [
        spec
        for plan in fitted
        for spec in (plan.model, *([plan.first_shot_model.spec] if plan.first_shot_model else []))
    ]
    for line in dict.fromkeys(f"{spec.name} is fitted to this machine: {spec.execution}" for spec in specs):
        screen.note(line, style="dim")
    return fitted


def _fit(plan: Plan, asked: ExecutionRequest, device: str, memory: int | None) -> Plan:
    from onestory_cli.models.fingerprint import fingerprint_of

    def fitted(spec: ModelSpec) -> ModelSpec:
        return replace(spec, execution=_fitting(spec, plan, asked, device, memory))

    model, first = fitted(plan.model), plan.first_shot_model
    if first:
        spec = fitted(first.spec)
        first = replace(first, spec=spec, fingerprint=fingerprint_of(spec))
    jobs = tuple(replace(job, first_shot_model=first if job.first_shot_model else None) for job in plan.jobs)
    return replace(plan, model=model, model_fingerprint=fingerprint_of(model), jobs=jobs, first_shot_model=first)


def _fitting(spec: ModelSpec, plan: Plan, asked: ExecutionRequest, device: str, memory: int | None) -> ExecutionConfig:
    from onestory_cli.models.load import pick_device
    from onestory_cli.models.offload.apply import device_memory
    from onestory_cli.models.offload.sizes import memory_sizes
    from onestory_cli.models.readiness import require_ready

    require_ready(spec)
    largest = max(plan.jobs, key=lambda job: job.tokens.noise + job.tokens.context)
    sizes = memory_sizes(
        spec,
        frames=largest.frames,
        width=largest.width,
        height=largest.height,
        context=largest.tokens.context,
    )
    fitting = choose_execution(sizes, device_memory(pick_device(device), memory), asked)
    refuse_cache(fitting, vace=spec.task == "vace", shared=shares())
    return fitting


def _asked(flags: FittingFlags) -> ExecutionRequest:
    for name, value, known in (("--offload", flags.offload, OFFLOADS), ("--quantise", flags.quantise, STORAGES)):
        if value is not None and value not in known:
            help = did_you_mean(value, known) or f"one of {', '.join(known)}"
            raise OnestoryError("U606", f'{name} knows no "{value}"', help=help, exit=ExitCode.USAGE)
    return ExecutionRequest(
        offload=flags.offload,  # type: ignore[arg-type]
        storage=flags.quantise,  # type: ignore[arg-type]
        vae_tiling=flags.vae_tiling,
        attention=flags.attention,
        compile_blocks=flags.compile_blocks,
        cache=None if flags.cache in (None, CONTEXT) else parse_cache(flags.cache),
        reuse_context=flags.cache == CONTEXT,
    )
