"""A transformer in a single file -> ModelSpec: the shapes in the file's header identify its base.

The other parts (VAE, text encoder, tokenizer) are the base's. No torch here: only the header of the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.bases import I2V_480P, I2V_720P, T2V_1_3B, T2V_14B, TI2V_5B, VACE_1_3B, VACE_14B
from onestory_cli.models.folder import PICKLES
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.wan_names import strip_prefix
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import open_regular

SUFFIXES = (".safetensors", ".gguf")
# The version in a file name or its metadata: "wan2.2", "Wan2_1", "wan22".
_WAN_2_1, _WAN_2_2 = re.compile(r"2[._ -]?1(?!\d)"), re.compile(r"2[._ -]?2(?!\d)|a14b|(high|low)[._ -]?noise")


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
# An expert of Wan 2.2 has the same shapes as these bases of Wan 2.1; as one it would render noise.
_SHARED_SHAPES = (T2V_14B.name, VACE_14B.name)
_I2V_EXPERT = TransformerShape(width=5120, channels=36)


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
        OnestoryError: M511 for a pickle, M502 for a file that cannot be read, matches no row, or may be one of two
            experts.
    """
    refuse_pickle(path)
    try:
        shapes, metadata = _read(path)
        shape = transformer_shape(shapes)
    except (OSError, ValueError) as fault:
        raise _unusable(path, f"cannot read it as weights of a Wan transformer: {fault}") from fault
    if shape == _I2V_EXPERT:
        raise _one_expert(path, "wan2.2-i2v-a14b")
    row = ROWS.get(shape)
    if row is None:
        raise _unusable(path, f"no base has a width of {shape.width} and {shape.channels} input channels")
    hints = " ".join([path.name, *metadata.values()]).casefold()
    if row.name in _SHARED_SHAPES:
        _require_version_2_1(path, hints, experts="wan2.2-vace-fun-a14b" if shape.vace else "wan2.2-t2v-a14b")
    if row is I2V_480P and "720" in path.name:
        row = I2V_720P
    row = replace(row, about=f"{row.name} with the weights of {path.name}")
    return row.with_fields(transformer_file=str(path), path=str(path))


def _require_version_2_1(path: Path, hints: str, *, experts: str) -> None:
    """Refuse a 14B file that is, or may be, one of the two experts of Wan 2.2."""
    if _WAN_2_2.search(hints):
        raise _one_expert(path, experts)
    if not _WAN_2_1.search(hints):
        raise _unusable(
            path, "it can be Wan 2.1 14B or one expert of Wan 2.2 A14B; neither its name nor its metadata says which"
        )


def _one_expert(path: Path, base: str) -> OnestoryError:
    card = f'{{"base": "{base}", "transformer": "HIGH-NOISE-FILE", "transformer_2": "LOW-NOISE-FILE"}}'
    return _unusable(path, "it is one of the two experts of Wan 2.2", card)


def transformer_shape(shapes: Mapping[str, tuple[int, ...]]) -> TransformerShape:
    """The identifying shapes, from weights named as the Wan team or diffusers does, with or without prefix.

    Raises:
        ValueError: there is no patch embedding of a Wan transformer.
    """
    names = {strip_prefix(name): shape for name, shape in shapes.items()}
    embedding = names.get("patch_embedding.weight")
    if embedding is None or len(embedding) != 5:
        raise ValueError("it has no patch embedding of a Wan transformer")
    width, channels = embedding[:2]
    return TransformerShape(
        width=width,
        channels=channels,
        vace="vace_patch_embedding.weight" in names,
        image_tokens=any(name.startswith(("img_emb.", "condition_embedder.image_embedder.")) for name in names),
    )


def _read(path: Path) -> tuple[dict[str, tuple[int, ...]], Mapping[str, str]]:
    """Shapes by name, and metadata."""
    if path.suffix == ".gguf":
        return shapes_of_gguf(path), {}
    header = read_header(path)
    return header.shapes, header.metadata


def shapes_of_gguf(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights in a GGUF file, as before quantization.

    Raises:
        ValueError: it is not a GGUF file, or damaged.
        OnestoryError: M514 without the package gguf.
    """
    try:
        import gguf
    except ImportError as fault:
        raise OnestoryError(
            "M514",
            f'"{path}" needs the package gguf, which is not installed',
            help="run `pip install 'onestory[gguf]'`",
            exit=ExitCode.MACHINE,
        ) from fault
    with open_regular(path) as file:
        if file.read(4) != b"GGUF":
            raise ValueError("it is not a GGUF file")
    try:
        reader = gguf.GGUFReader(path)  # memory-mapped: the weights are not read
        return {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as fault:
        raise ValueError(f"its GGUF header is damaged: {fault}") from fault


def _unusable(path: Path, why: str, card: str = '{"base": "MODEL", "transformer": "FILE"}') -> OnestoryError:
    return OnestoryError(
        "M502",
        f'cannot use "{path}" as a model: {why}',
        help=f"write a folder with a card, onestory.json: {card}",
        exit=ExitCode.MACHINE,
    )
