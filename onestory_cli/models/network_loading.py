"""Load the networks of `networks.py`. Nothing is downloaded: missing weights are reported.

Image processors are selected by class here, because those named in hub files need torchvision, which is optional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.hub import folder_of
from onestory_cli.models.library_logging import silence_library_logging
from onestory_cli.models.network_size import require_size
from onestory_cli.models.networks import Role


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A loaded network. `pictures` is its image processor; `words` is its tokenizer, or None."""

    source: str
    model: PreTrainedModel
    pictures: Any
    words: PreTrainedTokenizerBase | None

    @property
    def device(self) -> torch.device:
        return self.model.device

    def provenance(self) -> dict[str, str | None]:
        """The source of the weights: the fingerprint of a folder, or the commit of a hub id."""
        commit = getattr(self.model.config, "_commit_hash", None)
        local = fingerprint(self.source) if Path(self.source).is_dir() else None
        return {"source": self.source, "kind": self.model.config.model_type, "commit": commit, "fingerprint": local}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The classes that load a kind of network (transformers' `model_type`); `reads`: it has a tokenizer."""

    model: Any
    pictures: str
    reads: bool = False

    def picture_class(self) -> Any:
        """The image processor without torchvision; its name ends in `Pil` in newer versions of transformers."""
        return getattr(transformers, f"{self.pictures}Pil", None) or getattr(transformers, self.pictures)


def load_network(source: str, role: Role, kinds: Mapping[str, Kind], device: torch.device) -> Loaded:
    """Load a network from a folder, or by the hub id of a downloaded one.

    Raises:
        OnestoryError: M531 for weights that are not on this machine, M532 for another kind of network or damaged files.
    """
    silence_library_logging()
    with _reading(source, role):
        config = AutoConfig.from_pretrained(source, local_files_only=True)
    if config.model_type not in kinds:
        raise _unusable(
            source, role, f'model type "{config.model_type}" is not supported (expected {" or ".join(kinds)})'
        )
    kind = kinds[config.model_type]
    with _reading(source, role):
        if folder := folder_of(source):
            require_size(folder, lambda: kind.model(config))
        model = kind.model.from_pretrained(source, local_files_only=True, dtype=torch.float32, use_safetensors=True)
        pictures = kind.picture_class().from_pretrained(source, local_files_only=True)
        words = AutoTokenizer.from_pretrained(source, local_files_only=True) if kind.reads else None
    model.to(device).eval().requires_grad_(False)
    return Loaded(source=source, model=model, pictures=pictures, words=words)


@contextmanager
def _reading(source: str, role: Role) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if Path(source).is_dir():
            raise _unusable(source, role, str(fault)) from fault
        raise OnestoryError(
            "M531",
            f'the weights of {role} "{source}" are not on this machine',
            help=f"run `onestory models fetch {source}`, or set the {role} to a folder that has them, or to `none`",
            exit=ExitCode.MACHINE,
        ) from fault
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, ImportError) as fault:
        raise _unusable(source, role, str(fault)) from fault


def _unusable(source: str, role: Role, why: str) -> OnestoryError:
    return OnestoryError(
        "M532",
        f'{role} "{source}" cannot be used: {(why.splitlines() or ["its files are damaged"])[0]}',
        help=f"fetch it again, or choose another with --{role}",
        exit=ExitCode.MACHINE,
    )
