"""`onestory doctor`: whether this machine can render, and whether a story or a model fits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._doctor_checks import MachineCheck, check_machine
from onestory_cli.commands._options import AllowOutside, Device, Json, Profile, RunFolder, argument, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.rendering.feasibility import Feasibility, check_feasibility

if TYPE_CHECKING:
    from onestory_cli.models.offload.estimate import MemoryEstimate
    from onestory_cli.rendering.feasibility import DiskSpace, ModelFeasibility, RenderTime


def command(
    context: typer.Context,
    story: Annotated[
        str | None, argument(metavar="[STORY]", help="Story file or model to check against this machine.")
    ] = None,
    run: RunFolder = None,
    profile: Profile = None,
    device: Device = "auto",
    vram: Annotated[
        str | None, option("--vram", metavar="SIZE", help="With STORY: assume a GPU with this much memory.")
    ] = None,
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> ExitCode:
    """Check this machine: versions, device, codecs, weights and disk; with STORY, also whether the story fits."""
    screen = screen_of(context)
    screen.note("checking (importing torch takes some seconds) ...", style="dim")
    checks, fit = list(check_machine()), None
    if story is not None:
        fit = check_feasibility(story, run=run, profile=profile, device=device, vram=vram, allow_outside=allow_outside)
        checks += feasibility_checks(fit)
    able = all(check.ok or check.optional for check in checks)
    if json:
        rows = [asdict(check) for check in checks]
        screen.document("doctor", ok=able, checks=rows, fit=fit.as_json() if fit else None)
    else:
        _show(screen, checks, fit)
    return ExitCode.DONE if able else ExitCode.MACHINE


def _show(screen: Screen, checks: Sequence[MachineCheck], fit: Feasibility | None) -> None:
    screen.table(("", "what", "found"), [(_mark(check), check.name, check.found) for check in checks])
    for check in checks:
        if check.help:
            screen.line(f"{check.name}: {check.help}")
    for outlook in fit.outlooks if fit else ():
        screen.line("")
        screen.table(*memory_table(outlook), right=("GB",))


def _mark(check: MachineCheck) -> str:
    return "ok" if check.ok else "note" if check.optional else "FAIL"


def feasibility_checks(fit: Feasibility) -> Iterator[MachineCheck]:
    """One check for each thing that the render of a story or model needs, and one for the time."""
    for model in fit.models:
        yield _weights(model)
        if outlook := model.outlook:
            name = f"memory for {model.spec.name}"
            yield MachineCheck(name=name, ok=outlook.fits, found=_memory(outlook), help=_advice(outlook))
    if fit.disk:  # only for a story, which has a run directory
        yield _disk(fit.disk)
        yield _time(fit.time)


def _weights(model: ModelFeasibility) -> MachineCheck:
    name, spec = f"weights of {model.spec.name}", model.spec
    if model.lacks is None:
        return MachineCheck(name=name, found=f"in {spec.files.transformer_file or spec.files.base}")
    size = f", about {_gb(sum(model.outlook.parts.values()))}" if model.outlook and not spec.files.base else ""
    return MachineCheck(name=name, ok=False, found=model.lacks.message + size, help=model.lacks.help)


def _memory(outlook: MemoryEstimate) -> str:
    """The chosen execution config and its memory, and by how much those before it exceed the GPU."""
    last, usable = outlook.ways[-1], _gb(outlook.usable)
    if outlook.loading > outlook.host:
        needed = f"needs {_gb(outlook.loading)} of RAM while loading; this machine has {_gb(outlook.host)}"
        return f"{needed}. {_on_gpu(outlook)}" if outlook.gpu and outlook.chosen else needed
    if not outlook.gpu:
        return f"{_gb(last.machine)} of {usable} usable RAM, without a GPU"
    before = [f"{_config(way.fitting)} needs {_gb(way.card)}" for way in outlook.ways[:-1]]
    if outlook.chosen is None:
        config = f"{_config(last.fitting)} needs {_gb(last.card)}"
        return f"no offload or quantization fits into {usable} of the GPU; {config}"
    chosen = f"{_config(outlook.chosen)}: {_gb(last.card)} of {usable} on the GPU, {_gb(last.machine)} of RAM"
    return "; ".join([chosen, *before])


def _on_gpu(outlook: MemoryEstimate) -> str:
    return f"In {_gb(outlook.usable)} of GPU memory it would run with {_config(outlook.chosen or '')}."


def _config(fitting: str) -> str:
    return "no offload" if fitting == "none" else fitting


def _advice(outlook: MemoryEstimate) -> str:
    if outlook.fits:
        return ""
    return "use a smaller size, fewer frames, a smaller model, or a .gguf file of this model"


def memory_table(outlook: MemoryEstimate) -> tuple[Sequence[str], list[tuple[str, str]]]:
    """Columns and rows: the parts of a model, and the working memory of a shot, in GB."""
    work = outlook.work
    rows = [(name.replace("_", " "), _number(size)) for name, size in outlook.parts.items()]
    context = f", {work.context} of them context" if work.context else ""
    rows.append((f"a step of {work.noise + work.context} tokens{context}", _number(outlook.step)))
    rows.append((f"decoding {work.frames} frames of {work.width}x{work.height}", _number(outlook.decode)))
    return (outlook.model, "GB"), rows


def _disk(disk: DiskSpace) -> MachineCheck:
    enough = disk.needed <= disk.free
    help = "" if enough else "free disk space, or use another disk with `--run DIR`"
    found = f"at most {_gb(disk.needed)} for {disk.folder}, {_gb(disk.free)} free"
    return MachineCheck(name="disk for the run", ok=enough, found=found, help=help)


def _time(time: RenderTime | None) -> MachineCheck:
    if time is None:
        return MachineCheck(name="time", optional=True, found="unknown until a shot was rendered here")
    film = timedelta(seconds=round(time.film))
    return MachineCheck(name="time", found=f"about {time.shot:.1f} s for the longest shot, {film} for all")


def _gb(size: int) -> str:
    return f"{_number(size)} GB"


def _number(size: int) -> str:
    """Gigabytes (10^9) with two significant digits, or one decimal from 0.1 on."""
    return f"{size / 1e9:.1f}" if size >= 10**8 else f"{size / 1e9:.2g}"
