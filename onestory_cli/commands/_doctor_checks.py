"""What `onestory doctor` checks on this machine: versions, device, codecs, weights and disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.models.availability import Presence, presence
from onestory_cli.models.catalog import CATALOG, EMBEDDED, find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.utils.text import pluralize
from onestory_cli.version import __version__

EXTRAS = {"gguf": ".gguf models", "tensorboard": "training logs", "wandb": "training logs"}
MIN_DISK = 2 * 10**9  # bytes: a film, its latents and space to stage a take


@dataclass(frozen=True, kw_only=True)
class MachineCheck:
    """The result of one check. A render needs all of them to be `ok`, except the `optional` ones."""

    name: str
    ok: bool = True
    optional: bool = False
    found: str
    help: str = ""


def check_machine() -> Iterator[MachineCheck]:
    """Run all checks. A check that raises is reported as failed."""
    for name, check in CHECKS.items():
        yield _run(name, check)


def _run(name: str, check: Callable[[], MachineCheck]) -> MachineCheck:
    try:
        return check()
    except OnestoryError as fault:
        return MachineCheck(name=name, ok=False, found=fault.message, help=fault.help)
    except Exception as fault:
        found = f"{type(fault).__name__}: {fault}".splitlines()[0]
        return MachineCheck(name=name, ok=False, found=found, help=REPAIRS[name])


def _onestory() -> MachineCheck:
    import platform

    return MachineCheck(
        name="onestory", found=f"{__version__}, Python {platform.python_version()} on {platform.platform()}"
    )


def _library(name: str, needed: str) -> MachineCheck:
    """Import `name` and access `needed`, so that a broken installation is found here and not during a render."""
    from importlib import import_module, metadata

    getattr(import_module(name), needed)
    return MachineCheck(name=name, found=metadata.version(name))


def _device() -> MachineCheck:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return MachineCheck(name="device", found=f"{properties.name}, {properties.total_memory / 1e9:.0f} GB")
    return MachineCheck(
        name="device",
        found=f"cpu, {pluralize(torch.get_num_threads(), 'thread')} of {pluralize(os.cpu_count() or 1, 'core')}",
    )


def _torchvision() -> MachineCheck:
    """With a torchvision that does not match torch, all image processors of transformers fail to import."""
    from importlib import import_module, metadata

    try:
        version = metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        return MachineCheck(name="torchvision", found="not installed (not needed)")
    import_module("torchvision")
    return MachineCheck(name="torchvision", found=f"{version}, matches torch")


def _codecs() -> MachineCheck:
    import av

    able = "libx264" in av.codecs_available
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    found = f"PyAV {av.__version__} {'with' if able else 'without'} libx264 (libavcodec {codec})"
    return MachineCheck(name="codecs", ok=able, found=found, help="" if able else REPAIRS["codecs"])


def _weights() -> MachineCheck:
    bases = {name: find(name).files.base for name in EMBEDDED}
    empty = [name for name, base in bases.items() if not any(Path(base).rglob("*.safetensors"))]
    found = ", ".join(f"{name} {'missing' if name in empty else fingerprint(base)}" for name, base in bases.items())
    return MachineCheck(name="weights", ok=not empty, found=found, help=REPAIRS["weights"] if empty else "")


def _cache() -> MachineCheck:
    """The folder of downloaded weights, and the models that are complete."""
    from huggingface_hub import constants

    specs = [find(name) for name in CATALOG if name not in EMBEDDED]
    here = [spec.name for spec in specs if presence(spec) is Presence.WHOLE]
    found = f"{', '.join(here) or 'no downloaded models'} in {constants.HF_HUB_CACHE}"
    return MachineCheck(name="cache", optional=True, found=found)


def _extras() -> MachineCheck:
    """Optional packages. A command that needs a missing one says so."""
    from importlib import metadata

    there = {name: any(True for _ in metadata.distributions(name=name)) for name in EXTRAS}
    found = ", ".join(
        f"{name} {'installed' if there[name] else 'not installed'} ({use})" for name, use in EXTRAS.items()
    )
    return MachineCheck(name="extras", optional=True, found=found)


def _disk() -> MachineCheck:
    free = shutil.disk_usage(Path.cwd()).free
    enough = free >= MIN_DISK
    help = "" if enough else "free disk space, or use another disk with `onestory render FILE --run DIR`"
    return MachineCheck(
        name="disk", ok=enough, optional=True, found=f"{free / 1e9:.1f} GB free in {Path.cwd()}", help=help
    )


CHECKS: dict[str, Callable[[], MachineCheck]] = {
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
    **dict.fromkeys(CHECKS, "reinstall onestory with its constraints file"),
    "torchvision": f"it does not match this torch: run `{sys.executable} -m pip uninstall torchvision`",
    "codecs": f"run `{INSTALL} --force-reinstall av`, which includes libx264",
    "weights": "reinstall onestory from a wheel, which contains the weights, or use another model",
}
