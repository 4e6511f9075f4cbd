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
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.models.offload.estimate import Candidate, MemoryEstimate
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
    ram: Annotated[
        str | None, option("--ram", metavar="SIZE", help="With STORY: assume a machine with this much memory.")
    ] = None,
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> ExitCode:
    """Check this machine: versions, device, codecs, weights and disk; with STORY, also whether the story fits."""
    screen = screen_of(context)
    screen.note("checking (importing torch takes some seconds) ...", style="dim")
    checks, fit = list(check_machine()), None
    if story is not None:
        fit = check_feasibility(
            story, run=run, profile=profile, device=device, vram=vram, ram=ram, allow_outside=allow_outside
        )
        checks += feasibility_checks(fit)
    able = all(check.ok or check.optional for check in checks)
    if json:
        rows = [asdict(check) for check in checks]
        next = [f"onestory plan {shell_quote(story)}"] if story and fit and fit.disk and able else []
        screen.document("doctor", ok=able, checks=rows, fit=fit.as_json() if fit else None, next=next)
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
            yield from _memory(outlook)
    if fit.disk:  # only for a story, which has a run directory
        yield _disk(fit.disk)
        yield _time(fit.time)


def _weights(model: ModelFeasibility) -> MachineCheck:
    name, spec = f"weights of {model.spec.name}", model.spec
    if model.lacks is None and spec.external:
        program = f"{spec.external.workflow} on {spec.external.server}" if spec.external.workflow else "a command"
        return MachineCheck(name=name, found=f"those of {program}; check it with `onestory models check`")
    if model.lacks is None:
        return MachineCheck(name=name, found=f"in {spec.files.transformer_file or spec.files.base}")
    size = f", about {_gb(sum(model.outlook.parts.values()))}" if model.outlook and not spec.files.base else ""
    return MachineCheck(name=name, ok=False, found=model.lacks.message + size, help=model.lacks.help)


def _memory(outlook: MemoryEstimate) -> Iterator[MachineCheck]:
    """GPU memory and RAM, each judged alone; both name the execution config that a render would choose."""
    if outlook.gpu:
        help = "" if outlook.chosen else f"use {_SMALLER}, or a .gguf file of this model"
        yield MachineCheck(name=f"VRAM for {outlook.model}", ok=bool(outlook.chosen), found=_vram(outlook), help=help)
    help = "" if outlook.ram_fits else f"use a machine with more RAM, {_SMALLER}, or fp8 or .gguf files of this model"
    yield MachineCheck(name=f"RAM for {outlook.model}", ok=outlook.ram_fits, found=_ram(outlook), help=help)


_SMALLER = "a smaller size, fewer frames, a smaller model"


def _vram(outlook: MemoryEstimate) -> str:
    """The chosen execution config and its memory, and by how much those before it exceed the GPU."""
    way, usable = outlook.way, _gb(outlook.usable)
    if outlook.chosen is None:
        return f"no offload or quantization fits into {usable}; {_config(way)} needs {_gb(way.card)}"
    before = [f"{_config(item)} needs {_gb(item.card)}" for item in outlook.ways if item.card > outlook.usable]
    return "; ".join([f"{_config(way)}: {_gb(way.card)} of {usable} usable", *before])


def _ram(outlook: MemoryEstimate) -> str:
    """Host memory while loading and while rendering, with the chosen execution config."""
    way, machine = outlook.way, f"this machine has {_gb(outlook.host)}"
    if not outlook.gpu:
        return f"{_gb(way.machine)} while rendering without a GPU, {_gb(outlook.loading)} while loading; {machine}"
    rendering = f"{_gb(way.machine)} while rendering with {_config(way)}"
    return f"{_gb(outlook.loading)} while loading, {rendering}; {machine}"


def _config(way: Candidate) -> str:
    return "no offload" if way.fitting == "none" else way.fitting


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
