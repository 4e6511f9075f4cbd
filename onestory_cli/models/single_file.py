"""A transformer in a single file -> ModelSpec: the shapes in the file's header identify its base.

The other parts (VAE, text encoder, tokenizer) are the base's. No torch here: only the header of the file is read.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.bases import I2V_480P, T2V_1_3B, T2V_14B, TI2V_5B, VACE_1_3B, VACE_14B
from onestory_cli.models.folder import PICKLES
from onestory_cli.models.spec import ModelSpec

SUFFIXES = (".safetensors", ".gguf")
MAX_HEADER_BYTES = 64 * 2**20  # the header of the largest Wan file is below 1 MiB


@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """The shapes that distinguish Wan transformers: width, input channels, VACE's patch embedding, CLIP tokens."""

    width: int
    channels: int
    vace: bool = False
    image_tokens: bool = False


ROWS: dict[TransformerShape, ModelSpec] = {
    TransformerShape(width=1536, channels=16): T2V_1_3B,
    TransformerShape(width=5120, channels=16): T2V_14B,
    TransformerShape(width=5120, channels=36, image_tokens=True): I2V_480P,
    TransformerShape(width=3072, channels=48): TI2V_5B,
    TransformerShape(width=1536, channels=16, vace=True): VACE_1_3B,
    TransformerShape(width=5120, channels=16, vace=True): VACE_14B,
}


def is_weights_file(path: Path) -> bool:
    """Whether a path is a weight file, pickles included."""
    return path.suffix in (*SUFFIXES, *PICKLES) and path.is_file()


def refuse_pickle(path: Path) -> None:
    """Refuse a pickle, because opening one can run code.

    Raises:
        OnestoryError: M511.
    """
    if path.suffix in PICKLES:
        raise OnestoryError(
            "M511",
            f'"{path}" is a pickle; opening a pickle can run any code',
            help="download the weights as .safetensors, or convert them on a machine where you trust them",
            exit=ExitCode.MACHINE,
        )


def row_of_file(path: Path) -> ModelSpec:
    """The row of the catalog that a file of transformer weights belongs to, with `base` still empty.

    Raises:
        OnestoryError: M511 for a pickle, M502 for a file that cannot be read or matches no row.
    """
    refuse_pickle(path)
    try:
        shape = transformer_shape(_shapes(path))
    except (OSError, ValueError, KeyError, struct.error) as fault:
        raise _unusable(path, f"cannot read it as weights of a Wan transformer: {fault}") from fault
    row = ROWS.get(shape)
    if row is None:
        raise _unusable(path, f"no base has a width of {shape.width} and {shape.channels} input channels")
    row = replace(row, about=f"{row.name} with the weights of {path.name}")
    return row.with_fields(transformer_file=str(path), path=str(path))


def transformer_shape(shapes: dict[str, tuple[int, ...]]) -> TransformerShape:
    """The identifying shapes, from weights named as the Wan team or diffusers does, with or without prefix."""
    names = {name.removeprefix("model.diffusion_model."): shape for name, shape in shapes.items()}
    width, channels = names["patch_embedding.weight"][:2]
    return TransformerShape(
        width=width,
        channels=channels,
        vace="vace_patch_embedding.weight" in names,
        image_tokens=any(name.startswith(("img_emb.", "condition_embedder.image_embedder.")) for name in names),
    )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    return _shapes_of_gguf(path) if path.suffix == ".gguf" else shapes_of_safetensors(path)


def shapes_of_safetensors(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a file, by name; only the header is read."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > MAX_HEADER_BYTES:
            raise ValueError("the header is too long")
        header = json.loads(file.read(length))
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _shapes_of_gguf(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        import gguf
    except ImportError as fault:
        raise OnestoryError(
            "M514",
            f'"{path}" needs the package gguf, which is not installed',
            help="run `pip install 'onestory[gguf]'`",
            exit=ExitCode.MACHINE,
        ) from fault
    reader = gguf.GGUFReader(path)  # memory-mapped: the weights are not read
    return {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}


def _unusable(path: Path, why: str) -> OnestoryError:
    return OnestoryError(
        "M502",
        f'cannot use "{path}" as a model: {why}',
        help='name its base in a card: a folder with onestory.json, {"base": "...", "transformer": "FILE"}',
        exit=ExitCode.MACHINE,
    )
