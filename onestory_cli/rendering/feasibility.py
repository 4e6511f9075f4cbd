"""Whether a story, or a model, fits this machine: what `onestory doctor STORY` foretells before anything is loaded."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.readiness import require_ready
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.models.offload.config import DeviceMemory
    from onestory_cli.models.offload.estimate import MemoryEstimate, Workload
    from onestory_cli.models.offload.sizes import PartSizes
    from onestory_cli.planning.jobs import Plan, ShotJob

CLIP_BYTES = 0.2  # of a pixel of a frame, at most: x264 at crf 16 makes about as much of film, and less of drawings
KEPT_LATENTS = 5  # of a shot's latents on disk at once: those of its take, and what UniPC needs to go on


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes that all shots of a story need in its run directory, at most, and the bytes that are free there."""

    folder: str
    needed: int
    free: int


@dataclass(frozen=True, kw_only=True)
class Time:
    """Seconds of the longest shot and of all of them, judged by the takes that are there."""

    shot: float
    film: float


@dataclass(frozen=True, kw_only=True)
class ModelFeasibility:
    """A model with the largest work that it is asked for: `lacks` is why its weights cannot be used here and now,
    `outlook` is None where nobody knows how large the model is.
    """

    spec: ModelSpec
    lacks: OnestoryError | None
    outlook: MemoryEstimate | None


@dataclass(frozen=True, kw_only=True)
class Feasibility:
    """What is foretold: of each model; of stories also the disk, and the time where there are takes."""

    models: tuple[ModelFeasibility, ...]
    disk: Disk | None = None
    time: Time | None = None

    @property
    def outlooks(self) -> tuple[MemoryEstimate, ...]:
        """Those of the models that can be told of."""
        return tuple(model.outlook for model in self.models if model.outlook)

    def as_json(self) -> dict[str, object]:
        return {
            "models": [{**asdict(outlook), "fits": outlook.fits} for outlook in self.outlooks],
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
    allow_outside: bool,
) -> Feasibility:
    """What will become of a story on this machine, or of one shot of a model. `vram` stands for a GPU of that size.

    Raises:
        Findings: everything that is wrong with the story.
        OnestoryError: there is no such story, model or device, or `vram` is no size.
    """
    card = _card(device, vram)
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
    """Each model of a plan with its longest shot."""
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


def _card(device: str, vram: str | None) -> DeviceMemory:
    from onestory_cli.models.load import pick_device
    from onestory_cli.models.offload.apply import device_memory
    from onestory_cli.models.offload.config import DeviceMemory, parse_size

    memory = parse_size(vram) if vram else None
    card = device_memory(pick_device(device), memory)
    if card.gpu or memory is None:
        return card
    return DeviceMemory(memory=memory, host=card.host, packages=card.packages)


def _model(spec: ModelSpec, work: Workload, card: DeviceMemory) -> ModelFeasibility:
    from onestory_cli.models.offload.config import ExecutionRequest
    from onestory_cli.models.offload.estimate import estimate_memory, with_device_dtype

    spec = with_device_dtype(spec, card)
    parts = _parts(spec)
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


def _parts(spec: ModelSpec) -> PartSizes | None:
    """From the files, where all are here; else as published."""
    from onestory_cli.models.availability import Presence, presence
    from onestory_cli.models.offload.sizes import local_parts, published_parts

    if presence(spec) is not Presence.WHOLE:
        return published_parts(spec)
    try:
        return local_parts(spec)
    except (OSError, ValueError) as fault:
        message = f'weights of "{spec.name}" cannot be read: {fault}'
        help = "put them back, or name another model of `onestory models`"
        raise OnestoryError("M503", message, help=help, exit=ExitCode.MACHINE) from fault


def _disk(plan: Plan, folder: Path) -> Disk:
    """All shots and the film, one more clip while it is staged, and a shot that can go on after a stop."""
    latents = [_latents(plan.model, job) for job in plan.jobs]
    scale = plan.output.scale or plan.model.scale
    clips = [round(job.frames * job.width * job.height * scale**2 * CLIP_BYTES) for job in plan.jobs]
    needed = sum(latents) + max(latents) * KEPT_LATENTS + 2 * sum(clips) + max(clips)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return Disk(folder=str(folder), needed=needed, free=shutil.disk_usage(there).free)


def _latents(spec: ModelSpec, job: ShotJob) -> int:
    """Bytes of the latents of a shot, in float32."""
    rows, columns = spec.latent_size(job.width, job.height)
    return spec.latent_channels * spec.latent_frames(job.frames) * rows * columns * 4


def _time(plan: Plan, folder: Path, card: DeviceMemory) -> Time | None:
    """By the takes of the run that were made with this model on such a device."""
    from onestory_cli.store.pace import seconds_per_token_step, token_steps

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
    return None if rate is None else Time(shot=rate * max(steps), film=rate * sum(steps))
