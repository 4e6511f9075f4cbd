"""Whether a story, or a model, fits this machine: what `onestory doctor STORY` foretells before anything is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.models.fitting import Card
    from onestory_cli.models.outlook import Outlook, Work
    from onestory_cli.models.sizes import Parts
    from onestory_cli.plan import Plan, ShotJob

CLIP_BYTES = 0.2  # of a pixel of a frame, at most: x264 at crf 16 makes about as much of film, and less of drawings
KEPT_LATENTS = 5  # of a shot's latents on disk at once: those of its take, and what UniPC needs to go on
NOTHING = "nothing that is known fits"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that was looked at. A render needs every row that is not `optional` to be ok."""

    name: str
    ok: bool = True
    optional: bool = False
    found: str
    help: str = ""


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
class Fit:
    """What is foretold. An outlook for each model that can be told of; disk for stories, time where there are takes."""

    outlooks: tuple[Outlook, ...]
    disk: Disk | None
    time: Time | None
    rows: list[Row]

    def as_json(self) -> dict[str, object]:
        return {
            "models": [{**asdict(outlook), "fits": outlook.fits} for outlook in self.outlooks],
            "disk": asdict(self.disk) if self.disk else None,
            "seconds": asdict(self.time) if self.time else None,
        }


def foretell(
    story: str,
    *,
    run: Path | None,
    profile: str | None,
    device: str,
    vram: str | None,
    allow_outside: bool,
) -> Fit:
    """What will become of a story on this machine, or of one shot of a model. `vram` stands for a GPU of that size.

    Raises:
        Findings: everything that is wrong with the story.
        OnestoryError: there is no such story, model or device, or `vram` is no size.
    """
    from onestory_cli.models.fitting import Asked
    from onestory_cli.models.outlook import computed_on, foresee

    card = _card(device, vram)
    plan = _plan(Path(story), profile, allow_outside) if _is_story(story) else None
    asked = _of_plan(plan) if plan else _of_model(story)
    outlooks: list[Outlook] = []
    rows: list[Row] = []
    for spec, work in asked:
        parts = _parts(spec := computed_on(spec, card))
        rows.append(_weights_row(spec, parts))
        if parts:
            outlooks.append(outlook := foresee(spec, parts, work, card, Asked()))
            rows.append(
                Row(name=f"memory for {spec.name}", ok=outlook.fits, found=_why(outlook), help=_advice(outlook))
            )
    folder = _folder(Path(story), run) if plan else None
    disk = _disk(plan, folder) if plan and folder else None
    time = _time(plan, folder, card) if plan and folder else None
    rows += [_disk_row(disk)] if disk else []
    rows += [_time_row(time)] if plan else []
    return Fit(outlooks=tuple(outlooks), disk=disk, time=time, rows=rows)


def _is_story(name: str) -> bool:
    return Path(name).suffix in (".yaml", ".yml")


def _plan(file: Path, profile: str | None, allow_outside: bool) -> Plan:
    from onestory_cli.commands.compiling import compile_story

    plan, _ = compile_story(file, profile=profile, allow_outside=allow_outside, fingerprint=False)
    return plan


def _of_plan(plan: Plan) -> list[tuple[ModelSpec, Work]]:
    """Each model of a plan with its longest shot."""
    own = [job for job in plan.jobs if not job.other]
    first = [job for job in plan.jobs if job.other]
    found = [(plan.model, own)] + ([(plan.first.spec, first)] if plan.first else [])
    return [(spec, _work(max(jobs, key=_tokens))) for spec, jobs in found if jobs]


def _of_model(name: str) -> list[tuple[ModelSpec, Work]]:
    from onestory_cli.models.catalog import find
    from onestory_cli.models.outlook import default_work

    spec = find(name)
    return [(spec, default_work(spec))]


def _tokens(job: ShotJob) -> int:
    return job.tokens.noise + job.tokens.context


def _work(job: ShotJob) -> Work:
    from onestory_cli.models.outlook import Work

    tokens = job.tokens
    return Work(frames=job.frames, width=job.width, height=job.height, noise=tokens.noise, context=tokens.context)


def _card(device: str, vram: str | None) -> Card:
    from onestory_cli.models.fitting import Card, parse_size
    from onestory_cli.models.load import pick_device
    from onestory_cli.models.switches import card_of

    memory = parse_size(vram) if vram else None
    card = card_of(pick_device(device), memory)
    if card.gpu or memory is None:
        return card
    return Card(memory=memory, host=card.host, packages=card.packages)


def _parts(spec: ModelSpec) -> Parts | None:
    """From the files, where all are here; else as published."""
    from onestory_cli.models.present import Presence, presence
    from onestory_cli.models.sizes import parts_of, published_parts

    if presence(spec) is not Presence.WHOLE:
        return published_parts(spec)
    try:
        return parts_of(spec)
    except (OSError, ValueError) as fault:
        message = f'weights of "{spec.name}" cannot be read: {fault}'
        help = "put them back, or name another model of `onestory models`"
        raise OnestoryError("M503", message, help=help, exit=ExitCode.MACHINE) from fault


def _weights_row(spec: ModelSpec, parts: Parts | None) -> Row:
    from onestory_cli.commands.weights import require_ready

    name = f"weights of {spec.name}"
    try:
        require_ready(spec)
    except OnestoryError as fault:
        size = f", about {_gb(sum(parts.sizes.values()))}" if parts and not spec.base else ""
        return Row(name=name, ok=False, found=fault.message + size, help=fault.help)
    return Row(name=name, found=f"in {spec.transformer_file or spec.base}")


def _why(outlook: Outlook) -> str:
    """The way that is taken, and by how much those before it are too large."""
    last, of = outlook.ways[-1], f"of {_gb(outlook.usable)} that can be used"
    if not outlook.gpu:
        return f"{_gb(last.machine)} {of}, without a GPU"
    if outlook.loading > outlook.host:
        return f"loading takes {_gb(outlook.loading)} of {_gb(outlook.host)} of the machine's memory"
    before = [f"{_words(way.fitting)} takes {_gb(way.card)}" for way in outlook.ways[:-1]]
    if outlook.chosen is None:
        return f"{NOTHING} into {_gb(outlook.usable)} of the GPU; {_words(last.fitting)} takes {_gb(last.card)}"
    taken = f"{_words(outlook.chosen)}: {_gb(last.card)} {of} on the GPU, {_gb(last.machine)} of the machine's"
    return "; ".join([taken, *before])


def _words(fitting: str) -> str:
    return "no fitting" if fitting == "none" else fitting


def _advice(outlook: Outlook) -> str:
    if outlook.fits:
        return ""
    return "a smaller size or fewer frames, a smaller model, or a .gguf file of it after `model:`"


def table_of(outlook: Outlook) -> tuple[Sequence[str], list[tuple[str, str]]]:
    """Columns and rows: the parts of a model, and what its work takes."""
    work = outlook.work
    rows = [(name.replace("_", " "), _number(size)) for name, size in outlook.parts.items()]
    context = f", {work.context} of them context" if work.context else ""
    rows.append((f"a step of {work.noise + work.context} tokens{context}", _number(outlook.step)))
    rows.append((f"decoding {work.frames} frames of {work.width}x{work.height}", _number(outlook.decode)))
    return (outlook.model, "GB"), rows


def _folder(story: Path, run: Path | None) -> Path:
    from onestory_cli.commands.runs import folder_for

    return run or folder_for(story)


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


def _disk_row(disk: Disk) -> Row:
    enough = disk.needed <= disk.free
    help = "" if enough else "free some space, or put the run elsewhere with `--run DIR`"
    found = f"{_gb(disk.needed)} at most for {disk.folder}, {_gb(disk.free)} free"
    return Row(name="disk for the run", ok=enough, found=found, help=help)


def _time(plan: Plan, folder: Path, card: Card) -> Time | None:
    """By the takes of the run that were made with this model on such a device."""
    from onestory_cli.commands.runs import existing_run
    from onestory_cli.store.pace import pace, token_steps

    run = existing_run(folder)
    used = run.model_used() if run else None
    if run is None or used is None or used.name != plan.model.name:
        return None
    records = [take.record for shelf in run.shelves().values() for take in shelf.takes]
    device = "cuda" if card.gpu else "cpu"
    rate = pace([item for item in records if str(item.environment.get("device", "")).startswith(device)])
    steps = [token_steps(job) for job in plan.jobs]
    return None if rate is None else Time(shot=rate * max(steps), film=rate * sum(steps))


def _time_row(time: Time | None) -> Row:
    if time is None:
        return Row(name="time", optional=True, found="known once a shot was rendered here")
    film = timedelta(seconds=round(time.film))
    return Row(name="time", found=f"about {time.shot:.1f} s for the longest shot, {film} for all")


def _gb(size: int) -> str:
    return f"{_number(size)} GB"


def _number(size: int) -> str:
    """10^9 bytes, with the digits that count."""
    return f"{size / 1e9:.1f}" if size >= 10**8 else f"{size / 1e9:.2g}"
