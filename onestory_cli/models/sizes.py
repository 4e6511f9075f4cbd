"""How large a model is in memory, from the heads of its files: nothing is loaded. No torch here."""

from __future__ import annotations

import json
import math
from pathlib import Path

from onestory_cli.models.cards import read_map
from onestory_cli.models.fitting import Sizes
from onestory_cli.models.single_file import shapes_of_safetensors
from onestory_cli.models.spec import ModelSpec

WIDE = 4  # bytes of a float32
# Live bytes of a decoding per pixel of one latent frame: four frames, 96 channels, float32, three tensors at a time.
_DECODED = 4 * 96 * WIDE * 3
_TILE = 256 * 256
_STEP_WIDTHS = 14  # activations of one token in a block, in units of the transformer's width


def sizes_of(spec: ModelSpec, *, frames: int, width: int, height: int) -> Sizes:
    """Bytes of the parts of a model that is here, and of its work on a shot of `frames` pixel frames of a size.

    The work is an estimate from shapes, good to some tens of percent.
    """
    base = Path(spec.base)
    kind = WIDE if spec.dtype == "float32" else 2
    names = ("transformer", "transformer_2")[: spec.experts]
    files = (spec.transformer_file, spec.transformer_2_file)
    transformers = tuple(
        Path(file).stat().st_size if file.endswith(".gguf") else _parameters(Path(file) if file else base / name) * kind
        for name, file in zip(names, files, strict=False)
    )
    encoders = [_parameters(base / "text_encoder") * kind]
    if spec.image_tokens:
        encoders.append(_parameters(base / "image_encoder") * kind)
    config = read_map(base / "transformer" / "config.json")
    across = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    tokens = spec.latent_frames(frames) * spec.tokens_per_frame(width, height)
    return Sizes(
        transformers=transformers,
        encoders=tuple(encoders),
        vae=_parameters(base / "vae") * WIDE,
        step=tokens * across * _STEP_WIDTHS * kind,
        decode=width * height * _DECODED,
        tiled_decode=min(width * height, _TILE) * _DECODED + width * height * frames * 3 * WIDE,
    )


def _parameters(place: Path) -> int:
    """Numbers in the safetensors of a folder, or in one file."""
    files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    try:
        return sum(math.prod(shape) for file in files for shape in shapes_of_safetensors(file).values())
    except (json.JSONDecodeError, KeyError) as fault:
        raise ValueError(f"{place} cannot be read as safetensors") from fault
