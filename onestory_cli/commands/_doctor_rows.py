"""The rows of `onestory doctor`: what was looked at, and in words what is foretold of a story or a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onestory_cli.models.offload.estimate import MemoryEstimate
    from onestory_cli.rendering.feasibility import DiskSpace, Feasibility, ModelFeasibility, RenderTime

NOTHING = "nothing that is known fits"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that was looked at. A render needs every row that is not `optional` to be ok."""

    name: str
    ok: bool = True
    optional: bool = False
    found: str
    help: str = ""


def rows_of(fit: Feasibility) -> Iterator[Row]:
    """What is foretold, a row for each thing that a render needs, and one for the time."""
    for model in fit.models:
        yield _weights_row(model)
        if outlook := model.outlook:
            name = f"memory for {model.spec.name}"
            yield Row(name=name, ok=outlook.fits, found=_why(outlook), help=_advice(outlook))
    if fit.disk:  # of a story, which has a run directory
        yield _disk_row(fit.disk)
        yield _time_row(fit.time)


def _weights_row(model: ModelFeasibility) -> Row:
    name, spec = f"weights of {model.spec.name}", model.spec
    if model.lacks is None:
        return Row(name=name, found=f"in {spec.files.transformer_file or spec.files.base}")
    size = f", about {_gb(sum(model.outlook.parts.values()))}" if model.outlook and not spec.files.base else ""
    return Row(name=name, ok=False, found=model.lacks.message + size, help=model.lacks.help)


def _why(outlook: MemoryEstimate) -> str:
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


def _advice(outlook: MemoryEstimate) -> str:
    if outlook.fits:
        return ""
    return "a smaller size or fewer frames, a smaller model, or a .gguf file of it after `model:`"


def table_of(outlook: MemoryEstimate) -> tuple[Sequence[str], list[tuple[str, str]]]:
    """Columns and rows: the parts of a model, and what its work takes."""
    work = outlook.work
    rows = [(name.replace("_", " "), _number(size)) for name, size in outlook.parts.items()]
    context = f", {work.context} of them context" if work.context else ""
    rows.append((f"a step of {work.noise + work.context} tokens{context}", _number(outlook.step)))
    rows.append((f"decoding {work.frames} frames of {work.width}x{work.height}", _number(outlook.decode)))
    return (outlook.model, "GB"), rows


def _disk_row(disk: DiskSpace) -> Row:
    enough = disk.needed <= disk.free
    help = "" if enough else "free some space, or put the run elsewhere with `--run DIR`"
    found = f"{_gb(disk.needed)} at most for {disk.folder}, {_gb(disk.free)} free"
    return Row(name="disk for the run", ok=enough, found=found, help=help)


def _time_row(time: RenderTime | None) -> Row:
    if time is None:
        return Row(name="time", optional=True, found="known once a shot was rendered here")
    film = timedelta(seconds=round(time.film))
    return Row(name="time", found=f"about {time.shot:.1f} s for the longest shot, {film} for all")


def _gb(size: int) -> str:
    return f"{_number(size)} GB"


def _number(size: int) -> str:
    """10^9 bytes, with the digits that count."""
    return f"{size / 1e9:.1f}" if size >= 10**8 else f"{size / 1e9:.2g}"
