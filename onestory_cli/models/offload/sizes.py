"""How large a model is in memory, from the heads of its files, or as published: nothing is loaded. No torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.models.cards import read_json_map
from onestory_cli.models.offload.config import MemorySizes
from onestory_cli.models.offload.published_sizes import PUBLISHED
from onestory_cli.models.single_file import shapes_of_safetensors
from onestory_cli.models.spec import ModelSpec

WIDE = 4  # bytes of a float32
# Live bytes of a decoding per pixel of one latent frame: four frames, 96 channels, float32, three tensors at a time.
_DECODED = 4 * 96 * WIDE * 3
_TILE = 256 * 256
_STEP_WIDTHS = 14  # activations of one token in a block, in units of the transformer's width


@dataclass(frozen=True, kw_only=True)
class PartSizes:
    """Bytes of each part of a model as it is computed with, by name: transformer, text_encoder, vae ...

    `width` is the transformer's, `hints` how many states of its whole length VACE hands to it, 0 for other bases.
    """

    sizes: Mapping[str, int]
    width: int
    hints: int = 0


def local_parts(spec: ModelSpec) -> PartSizes:
    """The parts of a model that is here.

    Raises:
        OSError: a file of it is missing.
        ValueError: a file of it cannot be read.
    """
    base, kind = Path(spec.base), _bytes_of(spec)
    sizes = {name: _gguf(file) or _parameters(Path(file or base / name)) * kind for name, file in _experts(spec)}
    for name in ("text_encoder", "image_encoder")[: 2 if spec.image_tokens else 1]:
        sizes[name] = _parameters(base / name) * kind
    sizes["vae"] = _parameters(base / "vae") * WIDE
    config = read_json_map(base / "transformer" / "config.json")
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    return PartSizes(sizes=sizes, width=width, hints=len(config.get("vace_layers") or ()))


def published_parts(spec: ModelSpec) -> PartSizes | None:
    """The parts of a base of the catalogue, whether it is here or not; None for any other model."""
    counts = PUBLISHED.get(spec.hub)
    if counts is None:
        return None
    kind = _bytes_of(spec)
    sizes = {name: _gguf(file) or counts.transformer * kind for name, file in _experts(spec)}
    sizes |= {name: number * kind for name, number in counts.encoders.items()}
    return PartSizes(sizes={**sizes, "vae": counts.vae * WIDE}, width=counts.width, hints=counts.hints)


def memory_sizes(
    spec: ModelSpec, *, frames: int, width: int, height: int, context: int = 0, parts: PartSizes | None = None
) -> MemorySizes:
    """Bytes of the parts of a model, and of its work on a shot of `frames` pixel frames of a size, with `context`
    tokens of memory. Without `parts` the model is here.

    The work is an estimate from shapes, good to some tens of percent.
    """
    parts = parts or local_parts(spec)
    tokens = spec.latent_frames(frames) * spec.tokens_per_frame(width, height) + context
    return MemorySizes(
        transformers=tuple(size for name, size in parts.sizes.items() if name.startswith("transformer")),
        encoders=tuple(size for name, size in parts.sizes.items() if name.endswith("_encoder")),
        vae=parts.sizes["vae"],
        step=tokens * parts.width * (_STEP_WIDTHS + parts.hints) * _bytes_of(spec),
        decode=decode_bytes(width, height),
        tiled_decode=min(width * height, _TILE) * _DECODED + width * height * frames * 3 * WIDE,
    )


def decode_bytes(width: int, height: int) -> int:
    """What decoding a shot of a size takes beside the VAE, however many frames it has: they are decoded in turn."""
    return width * height * _DECODED


def _experts(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Name of each expert, and the single file that replaces its weights, "" for none."""
    return (("transformer", spec.transformer_file), ("transformer_2", spec.transformer_2_file))[: spec.experts]


def _bytes_of(spec: ModelSpec) -> int:
    """Bytes of a number in transformers and encoders."""
    return WIDE if spec.dtype == "float32" else 2


def _gguf(file: str) -> int:
    """Bytes of a GGUF file, which stays in its few bits; 0 for any other."""
    return Path(file).stat().st_size if file.endswith(".gguf") else 0


def _parameters(place: Path) -> int:
    """Numbers in the safetensors of a folder, or in one file."""
    files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    try:
        return sum(math.prod(shape) for file in files for shape in shapes_of_safetensors(file).values())
    except (json.JSONDecodeError, KeyError) as fault:
        raise ValueError(f"{place} cannot be read as safetensors") from fault
