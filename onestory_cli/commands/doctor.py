"""`onestory doctor`: what this machine has, and what it lacks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._doctor_rows import Row, rows_of, table_of
from onestory_cli.commands._options import AllowOutside, Device, Json, Profile, RunFolder, argument, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.availability import Presence, presence
from onestory_cli.models.catalog import CATALOG, EMBEDDED, find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.rendering.feasibility import Feasibility, check_feasibility
from onestory_cli.version import __version__

EXTRAS = {"gguf": "models of .gguf files", "tensorboard": "logs of training", "wandb": "the same"}
LITTLE_DISK = 2 * 10**9  # bytes: a film, its latents and room to stage a take


def command(
    context: typer.Context,
    story: Annotated[
        str | None, argument(metavar="[STORY]", help="Tell of this story, or of a model, whether it fits this machine.")
    ] = None,
    run: RunFolder = None,
    profile: Profile = None,
    device: Device = "auto",
    vram: Annotated[
        str | None, option("--vram", metavar="SIZE", help="With STORY: tell it of a GPU of this size, here or not.")
    ] = None,
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> ExitCode:
    """Check this machine: versions, device, codecs, weights, disk; and whether a story fits it."""
    screen = screen_of(context)
    screen.note("looking (importing torch takes some seconds) ...", style="dim")
    rows = [_look(name, check) for name, check in CHECKS.items()]
    fit = None
    if story is not None:
        fit = check_feasibility(story, run=run, profile=profile, device=device, vram=vram, allow_outside=allow_outside)
        rows += rows_of(fit)
    able = all(row.ok or row.optional for row in rows)
    if json:
        screen.document("doctor", ok=able, checks=[asdict(row) for row in rows], fit=fit.as_json() if fit else None)
    else:
        _show(screen, rows, fit)
    return ExitCode.DONE if able else ExitCode.MACHINE


def _show(screen: Screen, rows: Sequence[Row], fit: Feasibility | None) -> None:
    screen.table(("", "what", "found"), [(_mark(row), row.name, row.found) for row in rows])
    for row in rows:
        if row.help:
            screen.line(f"{row.name}: {row.help}")
    for outlook in fit.outlooks if fit else ():
        screen.line("")
        screen.table(*table_of(outlook), right=("GB",))


def _look(name: str, check: Callable[[], Row]) -> Row:
    """The row of one check; whatever goes wrong in it is what it found."""
    try:
        return check()
    except OnestoryError as fault:
        return Row(name=name, ok=False, found=fault.message, help=fault.help)
    except Exception as fault:
        return Row(name=name, ok=False, found=f"{type(fault).__name__}: {fault}".splitlines()[0], help=REPAIRS[name])


def _mark(row: Row) -> str:
    return "ok" if row.ok else "note" if row.optional else "FAIL"


def _onestory() -> Row:
    import platform

    return Row(name="onestory", found=f"{__version__}, Python {platform.python_version()} on {platform.platform()}")


def _library(name: str, needed: str) -> Row:
    """Import `name` for real and touch `needed`, so that a broken installation shows here and not in a render."""
    from importlib import import_module, metadata

    getattr(import_module(name), needed)
    return Row(name=name, found=metadata.version(name))


def _device() -> Row:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Row(name="device", found=f"{properties.name}, {properties.total_memory / 1e9:.0f} GB")
    return Row(
        name="device",
        found=f"cpu, {_count(torch.get_num_threads(), 'thread')} of {_count(os.cpu_count() or 1, 'core')}",
    )


def _torchvision() -> Row:
    """A torchvision that does not fit torch makes every image processor of transformers fail to import."""
    from importlib import import_module, metadata

    try:
        version = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        return Row(name="torchvision", found="not installed, not needed")
    import_module("torchvision")
    return Row(name="torchvision", found=f"{version}, fits torch")


def _codecs() -> Row:
    import av

    able = "libx264" in av.codecs_available
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    found = f"PyAV {av.__version__} {'with' if able else 'without'} libx264 (libavcodec {codec})"
    return Row(name="codecs", ok=able, found=found, help="" if able else REPAIRS["codecs"])


def _weights() -> Row:
    bases = {name: find(name).files.base for name in EMBEDDED}
    empty = [name for name, base in bases.items() if not any(Path(base).rglob("*.safetensors"))]
    found = ", ".join(f"{name} {'missing' if name in empty else fingerprint(base)}" for name, base in bases.items())
    return Row(name="weights", ok=not empty, found=found, help=REPAIRS["weights"] if empty else "")


def _cache() -> Row:
    """Where fetched weights lie, and which models of the catalogue are there whole."""
    from huggingface_hub import constants

    specs = [find(name) for name in CATALOG if name not in EMBEDDED]
    here = [spec.name for spec in specs if presence(spec) is Presence.WHOLE]
    found = f"{', '.join(here) or 'no fetched model'} in {constants.HF_HUB_CACHE}"
    return Row(name="cache", optional=True, found=found)


def _extras() -> Row:
    """Packages that only some stories and trainings need; each says so itself where it is missing."""
    from importlib import metadata

    there = {name: any(True for _ in metadata.distributions(name=name)) for name in EXTRAS}
    found = ", ".join(
        f"{name} {'installed' if there[name] else 'not installed'} ({use})" for name, use in EXTRAS.items()
    )
    return Row(name="extras", optional=True, found=found)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _disk() -> Row:
    free = shutil.disk_usage(Path.cwd()).free
    enough = free >= LITTLE_DISK
    help = "" if enough else "free some space, or put the run elsewhere with `onestory render FILE --run DIR`"
    return Row(name="disk", ok=enough, optional=True, found=f"{free / 1e9:.1f} GB free in {Path.cwd()}", help=help)


CHECKS: dict[str, Callable[[], Row]] = {
    "onestory": _onestory,
    "torch": lambda: _library("torch", "Tensor"),
    "torchvision": _torchvision,
    "transformers": lambda: _library("transformers", "UMT5EncoderModel"),
    "diffusers": lambda: _library("diffusers", "WanTransformer3DModel"),
    "device": _device,
    "codecs": _codecs,
    "weights": _weights,
    "cache": _cache,
    "extras": _extras,
    "disk": _disk,
}
INSTALL = f"{sys.executable} -m pip install"
REPAIRS = {
    **dict.fromkeys(CHECKS, "install onestory again, with its constraints file"),
    "torchvision": f"it does not fit this torch: `{sys.executable} -m pip uninstall torchvision`",
    "codecs": f"`{INSTALL} --force-reinstall av` brings FFmpeg with libx264",
    "weights": "install onestory again from a wheel, which holds the weights, or name another folder with `model:`",
}
