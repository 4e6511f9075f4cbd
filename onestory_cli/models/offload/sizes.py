"""Sizes of a model's parts in memory: from the headers of local files, or as published. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from onestory_cli.models.offload.config import MemorySizes
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import read_json_map

FLOAT32_BYTES = 4
# Live bytes while decoding, per pixel of one latent frame: 4 frames, 96 channels, float32, three tensors at a time.
_DECODE_BYTES = 4 * 96 * FLOAT32_BYTES * 3
_TILE_PIXELS = 256 * 256
_STEP_WIDTHS = 14  # activations of one token in a block, in units of the transformer's width


_TEXT: Mapping[str, int] = {"text_encoder": 5_680_910_336}  # the encoder of UMT5-XXL, in all bases
_TEXT_AND_IMAGE = {**_TEXT, "image_encoder": 630_766_080}  # with CLIP ViT-H


@dataclass(frozen=True, kw_only=True)
class PartSizes:
    """Bytes of each part of a model in its compute dtype, by name: transformer, text_encoder, vae, ...

    `width` is the transformer's. `hints` is the number of full-length states that VACE adds between blocks, 0 for other
    bases.
    """

    sizes: Mapping[str, int]
    width: int
    hints: int = 0


@dataclass(frozen=True, kw_only=True)
class ParameterCounts:
    """Parameters of each expert, of the encoders and of the VAE; `width` and `hints` as in PartSizes.

    Counted from the published configs, as diffusers and transformers build the parts.
    """

    transformer: int
    width: int
    hints: int = 0
    encoders: Mapping[str, int] = field(default_factory=lambda: _TEXT)
    vae: int = 126_892_531


_SMALL = ParameterCounts(transformer=1_418_996_800, width=1536)
_LARGE = ParameterCounts(transformer=14_288_491_584, width=5120)
_I2V = ParameterCounts(transformer=16_394_878_784, width=5120, encoders=_TEXT_AND_IMAGE)

PUBLISHED: Mapping[str, ParameterCounts] = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": _SMALL,
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": _LARGE,
    "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers": _I2V,
    "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers": _I2V,
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers": replace(_SMALL, transformer=2_153_972_032, hints=15),
    "Wan-AI/Wan2.1-VACE-14B-diffusers": replace(_LARGE, transformer=17_337_592_896, hints=8),
    "linoyts/Wan2.2-VACE-Fun-14B-diffusers": replace(_LARGE, transformer=17_337_592_896, hints=8),
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": ParameterCounts(transformer=4_999_787_712, width=3072, vae=704_688_668),
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers": _LARGE,
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": replace(_LARGE, transformer=14_288_901_184),
}


def local_parts(spec: ModelSpec) -> PartSizes:
    """The parts of a model on this machine.

    Raises:
        OSError: a file is missing.
        ValueError: a file cannot be read.
    """
    base, item_bytes = Path(spec.files.base), _item_bytes(spec)
    sizes = {
        name: _gguf_bytes(file) or _parameters(Path(file or base / name)) * item_bytes for name, file in _experts(spec)
    }
    for name in ("text_encoder", "image_encoder")[: 2 if spec.image_tokens else 1]:
        sizes[name] = _parameters(base / name) * item_bytes
    sizes["vae"] = _parameters(base / "vae") * FLOAT32_BYTES
    config = read_json_map(base / "transformer" / "config.json")
    width = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    return PartSizes(sizes=sizes, width=width, hints=len(config.get("vace_layers") or ()))


def published_parts(spec: ModelSpec) -> PartSizes | None:
    """The parts of a base of the catalog, downloaded or not; None for any other model."""
    counts = PUBLISHED.get(spec.files.hub)
    if counts is None:
        return None
    item_bytes = _item_bytes(spec)
    sizes = {name: _gguf_bytes(file) or counts.transformer * item_bytes for name, file in _experts(spec)}
    sizes |= {name: number * item_bytes for name, number in counts.encoders.items()}
    return PartSizes(sizes={**sizes, "vae": counts.vae * FLOAT32_BYTES}, width=counts.width, hints=counts.hints)


def memory_sizes(
    spec: ModelSpec, *, frames: int, width: int, height: int, context: int = 0, parts: PartSizes | None = None
) -> MemorySizes:
    """Bytes of the weights, and of the activations of a shot of `frames` pixel frames of `width` x `height` pixels
    with `context` tokens of memory.

    Without `parts`, the files on this machine are read. Activations are estimated from shapes, to some tens of percent.
    """
    parts = parts or local_parts(spec)
    tokens = spec.latent_frames(frames) * spec.tokens_per_frame(width, height) + context
    return MemorySizes(
        transformers=tuple(size for name, size in parts.sizes.items() if name.startswith("transformer")),
        encoders=tuple(size for name, size in parts.sizes.items() if name.endswith("_encoder")),
        vae=parts.sizes["vae"],
        step=tokens * parts.width * (_STEP_WIDTHS + parts.hints) * _item_bytes(spec),
        decode=decode_bytes(width, height),
        tiled_decode=min(width * height, _TILE_PIXELS) * _DECODE_BYTES + width * height * frames * 3 * FLOAT32_BYTES,
    )


def decode_bytes(width: int, height: int) -> int:
    """Activations of decoding a shot, in bytes. They do not depend on its length: latent frames are decoded in turn."""
    return width * height * _DECODE_BYTES


def _experts(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Name of each expert, and the single file that replaces its weights, or ""."""
    files = (("transformer", spec.files.transformer_file), ("transformer_2", spec.files.transformer_2_file))
    return files[: spec.experts]


def _item_bytes(spec: ModelSpec) -> int:
    """Bytes of one number in transformers and encoders."""
    return FLOAT32_BYTES if spec.dtype == "float32" else 2


def _gguf_bytes(file: str) -> int:
    """Size of a GGUF file, which stays quantized in memory; 0 for any other file."""
    return Path(file).stat().st_size if file.endswith(".gguf") else 0


def _parameters(path: Path) -> int:
    """Number of parameters in one safetensors file, or in those of a folder."""
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    return sum(math.prod(shape) for file in files for shape in read_header(file).shapes.values())
