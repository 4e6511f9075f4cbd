"""Estimate whether a story or a model fits this machine, before anything is loaded: `onestory doctor STORY`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.availability import require_ready
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.models.offload.config import DeviceMemory
    from onestory_cli.models.offload.estimate import MemoryEstimate, Workload
    from onestory_cli.models.offload.sizes import PartSizes
    from onestory_cli.planning.jobs import Plan, ShotJob
    from onestory_cli.store.record import Record

CLIP_BYTES = 0.2  # bytes per pixel and frame: what x264 at crf 16 writes for live action; drawings need less
SAVED_LATENTS = 5  # copies of a shot's latents on disk: its take, and the state of UniPC in its partial


@dataclass(frozen=True, kw_only=True)
class DiskSpace:
    """The bytes that a story needs in its run directory at most, and the bytes that are free there."""

    folder: str
    needed: int
    free: int


@dataclass(frozen=True, kw_only=True)
class RenderTime:
    """The seconds of the longest shot and of the whole film, from the times of existing takes."""

    shot: float
    film: float


@dataclass(frozen=True, kw_only=True)
class ModelFeasibility:
    """A model and the memory that its largest shot needs.

    `lacks` is the error of weights that are not ready. `outlook` is None if the size of the model is not known.
    """

    spec: ModelSpec
    lacks: OnestoryError | None
    outlook: MemoryEstimate | None


@dataclass(frozen=True, kw_only=True)
class Feasibility:
    """The estimates: memory per model; for a story also disk space, and the time if the run has takes."""

    models: tuple[ModelFeasibility, ...]
    disk: DiskSpace | None = None
    time: RenderTime | None = None

    @property
    def outlooks(self) -> tuple[MemoryEstimate, ...]:
        """The memory estimates of the models whose size is known."""
        return tuple(model.outlook for model in self.models if model.outlook)

    def as_json(self) -> dict[str, object]:
        return {
            "models": [
                {**asdict(outlook), "ram": outlook.ram, "ram_fits": outlook.ram_fits, "fits": outlook.fits}
                for outlook in self.outlooks
            ],
            "disk": asdict(self.disk) if self.disk else None,
            "seconds": asdict(self.time) if self.time else None,
        }


def check_feasibility(
    story: str,
    *,
    run: Path | None,
    profile: str | None,
    device: str,
    vram: str | None,
    ram: str | None = None,
    allow_outside: bool,
) -> Feasibility:
    """Estimate whether a story file, or one shot of a model, fits this machine.

    `vram` is the memory of a GPU to assume instead of the one here, such as "24GB"; `ram` that of the machine.

    Raises:
        Findings: the errors of the story.
        OnestoryError: there is no such story, model or device, or `vram` or `ram` is not a size.
    """
    card = _card(device, vram, ram)
    plan = _plan(Path(story), profile, allow_outside) if _is_story(story) else None
    models = tuple(_model(spec, work, card) for spec, work in (_of_plan(plan) if plan else _of_model(story)))
    if plan is None:
        return Feasibility(models=models)
    folder = run or folder_for(Path(story))
    return Feasibility(models=models, disk=_disk(plan, folder), time=_time(plan, folder, card))


def _is_story(name: str) -> bool:
    return Path(name).suffix in (".yaml", ".yml")


def _plan(file: Path, profile: str | None, allow_outside: bool) -> Plan:
    plan, _ = compile_story(file, profile=profile, allow_outside=allow_outside, fingerprint=False)
    return plan


def _of_plan(plan: Plan) -> list[tuple[ModelSpec, Workload]]:
    """Each model of a plan, with the workload of its longest shot."""
    own = [job for job in plan.jobs if not job.first_shot_model]
    first = [job for job in plan.jobs if job.first_shot_model]
    found = [(plan.model, own)] + ([(plan.first_shot_model.spec, first)] if plan.first_shot_model else [])
    return [(spec, _work(max(jobs, key=_tokens))) for spec, jobs in found if jobs]


def _of_model(name: str) -> list[tuple[ModelSpec, Workload]]:
    from onestory_cli.models.catalog import find
    from onestory_cli.models.offload.estimate import default_workload

    spec = find(name)
    return [(spec, default_workload(spec))]


def _tokens(job: ShotJob) -> int:
    return job.tokens.noise + job.tokens.context


def _work(job: ShotJob) -> Workload:
    from onestory_cli.models.offload.estimate import Workload

    tokens = job.tokens
    return Workload(frames=job.frames, width=job.width, height=job.height, noise=tokens.noise, context=tokens.context)


def _card(device: str, vram: str | None, ram: str | None) -> DeviceMemory:
    from onestory_cli.models.load import pick_device
    from onestory_cli.models.offload.apply import device_memory
    from onestory_cli.models.offload.config import parse_size

    memory, host = (parse_size(size) if size else None for size in (vram, ram))
    card = device_memory(pick_device(device), memory)
    if host is not None:
        card = replace(card, host=host, memory=card.memory if card.gpu else host)
    if card.gpu or memory is None:
        return card
    return replace(card, memory=memory, gpu=True)


def _model(spec: ModelSpec, work: Workload, card: DeviceMemory) -> ModelFeasibility:
    from onestory_cli.models.offload.config import ExecutionRequest
    from onestory_cli.models.offload.estimate import estimate_memory, with_device_dtype

    spec = with_device_dtype(spec, card)
    parts = None if spec.external else part_sizes(spec)
    return ModelFeasibility(
        spec=spec,
        lacks=_lacks(spec),
        outlook=estimate_memory(spec, parts, work, card, ExecutionRequest()) if parts else None,
    )


def _lacks(spec: ModelSpec) -> OnestoryError | None:
    try:
        require_ready(spec)
    except OnestoryError as fault:
        return fault
    return None


def part_sizes(spec: ModelSpec) -> PartSizes | None:
    """The sizes of a model's parts: of its files if all exist, else the published ones.

    Raises:
        OnestoryError: M503 if the weights cannot be read.
    """
    from onestory_cli.models.availability import Presence, presence
    from onestory_cli.models.offload.sizes import local_parts, published_parts

    if presence(spec) is not Presence.WHOLE:
        return published_parts(spec)
    try:
        return local_parts(spec)
    except (OSError, ValueError) as fault:
        message = f'cannot read the weights of "{spec.name}": {fault}'
        help = "download them again, or choose another model from `onestory models`"
        raise OnestoryError("M503", message, help=help, exit=ExitCode.MACHINE) from fault


def _disk(plan: Plan, folder: Path) -> DiskSpace:
    """Space for all shots and the film, one more clip while it is staged, and the partial of one shot."""
    latents = [_latents(plan.model, job) for job in plan.jobs]
    scale = plan.output.scale or plan.model.scale
    clips = [round(job.frames * job.width * job.height * scale**2 * CLIP_BYTES) for job in plan.jobs]
    needed = sum(latents) + max(latents) * SAVED_LATENTS + 2 * sum(clips) + max(clips)
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return DiskSpace(folder=str(folder), needed=needed, free=shutil.disk_usage(existing).free)


def _latents(spec: ModelSpec, job: ShotJob) -> int:
    """The bytes of a shot's latents in float32, or of the pictures that an external model remembers."""
    rows, columns = spec.latent_size(job.width, job.height)
    return spec.latent_channels * spec.latent_frames(job.frames) * rows * columns * (1 if spec.external else 4)


def _time(plan: Plan, folder: Path, card: DeviceMemory) -> RenderTime | None:
    """An estimate from the takes of the run that were rendered with this model on the same kind of device."""
    run = existing_run(folder)
    used = run.model_used() if run else None
    if run is None or used is None or used.name != plan.model.name:
        return None
    records = [take.record for shot_takes in run.takes_by_shot().values() for take in shot_takes.takes]
    device = "cuda" if card.gpu else "cpu"
    rate = seconds_per_token_step(
        [item for item in records if str(item.environment.get("device", "")).startswith(device)]
    )
    steps = [token_steps(job) for job in plan.jobs]
    return None if rate is None else RenderTime(shot=rate * max(steps), film=rate * sum(steps))


def seconds_per_token_step(records: Sequence[Record]) -> float | None:
    """The mean time per token and denoising step of takes; None without takes."""
    work = sum(
        int(item.spec["steps"] or 1) * (item.memory.noise_tokens + item.memory.context_tokens) for item in records
    )
    return sum(sum(item.seconds.values()) for item in records) / work if work else None


def seconds_to_render(jobs: Sequence[ShotJob], records: Sequence[Record]) -> float | None:
    """The estimated time of jobs, from the records of takes; None without takes."""
    rate = seconds_per_token_step(records)
    return None if rate is None else rate * sum(map(token_steps, jobs))


def token_steps(job: ShotJob) -> int:
    """The work of a shot: tokens times denoising steps."""
    return job.steps * _tokens(job)
