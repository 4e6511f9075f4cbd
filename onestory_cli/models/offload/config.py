"""How a model is fitted to a card: a pure choice among the switches that diffusers has. No torch here.

A *card* is the memory that a render may use. What changes the bytes of a shot (storage in fewer bits, tiles of the VAE,
another attention kernel, compiled blocks, a cache) is part of the model's fingerprint; where weights wait does not
change them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from onestory_cli.errors import ExitCode, OnestoryError

Offload = Literal["none", "model", "group"]
Storage = Literal["none", "fp8", "int8", "nf4"]
OFFLOADS: tuple[Offload, ...] = get_args(Offload)
STORAGES: tuple[Storage, ...] = get_args(Storage)
# Of the bytes of bf16 weights, what each storage keeps; norms, embeddings and scales stay as they are.
_KEEPS: dict[Storage, float] = {"none": 1.0, "fp8": 0.55, "int8": 0.55, "nf4": 0.32}
_NEEDS: dict[Storage, str] = {"int8": "torchao", "nf4": "bitsandbytes"}
CONTEXT = "context"  # the mode of `--cache` that reuses context tokens
THRESHOLD = 0.05  # of the first-block cache, diffusers' own default
_ROOM = 0.92  # of a card: the rest goes to the driver, to kernels and to fragments
_CACHED = 1.5  # of a step's activations: three tensors of two passes stay beside them
_GROUP_BLOCKS = 4  # of a transformer of 30 or 40: two in use and two on their way


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """The switches of one model. `attention` "" is torch's own kernel, `cache` the threshold of the first-block cache,
    or None for no cache."""

    offload: Offload = "none"
    storage: Storage = "none"
    vae_tiling: bool = False
    attention: str = ""
    compile_blocks: bool = False
    cache: float | None = None
    reuse_context: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """What of it changes the bytes of a shot."""
        marks = {
            f"storage {self.storage}": self.storage != "none",
            "vae tiling": self.vae_tiling,
            f"attention {self.attention}": bool(self.attention),
            "compiled blocks": self.compile_blocks,
            f"first-block cache {self.cache}": self.cache is not None,
            "reused context": self.reuse_context,
        }
        return tuple(mark for mark, on in marks.items() if on)

    @property
    def lasting(self) -> ExecutionConfig:
        """The part that a run keeps for the next machine: what changes its bytes."""
        return replace(self, offload="none")

    def __str__(self) -> str:
        parts = [f"offload {self.offload}"] if self.offload != "none" else []
        return ", ".join((*parts, *self.changes)) or "none"


DEFAULT_EXECUTION = ExecutionConfig()


@dataclass(frozen=True, kw_only=True)
class ExecutionRequest:
    """What the flags say; None leaves it to the choice."""

    offload: Offload | None = None
    storage: Storage | None = None
    vae_tiling: bool | None = None
    attention: str = ""
    compile_blocks: bool = False
    cache: float | None = None
    reuse_context: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceMemory:
    """`memory` of the GPU and `host` of the machine, in bytes; a processor alone has no memory of its own.

    `packages` are those of quantisation that are installed.
    """

    memory: int
    host: int
    gpu: bool = True
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class MemorySizes:
    """Bytes of a model's parts as they are computed with, and of what works beside them for one shot."""

    transformers: tuple[int, ...]
    encoders: tuple[int, ...]
    vae: int
    step: int
    decode: int
    tiled_decode: int


def choose_execution(sizes: MemorySizes, card: DeviceMemory, asked: ExecutionRequest | None = None) -> ExecutionConfig:
    """The first fitting of the ladder that fits, flags obeyed.

    Weights that wait elsewhere cost time and change no byte, so they come before storage in fewer bits; tiles of the
    VAE come where the decoding alone is too large. On a processor nothing is chosen.

    Raises:
        OnestoryError: U607 where nothing fits.
    """
    asked = asked or ExecutionRequest()
    ways = list_takes(sizes, card, asked)
    chosen = next((way for way in ways if not card.gpu or fits(sizes, way, card)), None)
    if chosen is None:
        raise OnestoryError(
            "U607",
            f"the model does not fit into {card.memory / 1e9:.1f} GB in any way that is known",
            help="a smaller size or fewer frames, a smaller model, or a .gguf file of it after `model:`",
            exit=ExitCode.MACHINE,
        )
    return chosen


def list_takes(sizes: MemorySizes, card: DeviceMemory, asked: ExecutionRequest) -> Iterator[ExecutionConfig]:
    """The fittings that the flags and the installed packages allow, best first; on a processor there is one."""
    fixed = ExecutionConfig(
        attention=asked.attention,
        compile_blocks=asked.compile_blocks,
        cache=asked.cache,
        reuse_context=asked.reuse_context,
    )
    if not card.gpu:
        yield replace(fixed, storage=asked.storage or "none", vae_tiling=bool(asked.vae_tiling))
        return
    tiling = asked.vae_tiling
    if tiling is None:
        tiling = sizes.vae + sizes.decode > usable_bytes(card.memory)
    for storage in (asked.storage,) if asked.storage else _able(card):
        for offload in (asked.offload,) if asked.offload else OFFLOADS:
            yield replace(fixed, offload=offload, storage=storage, vae_tiling=tiling)


def fits(sizes: MemorySizes, fitting: ExecutionConfig, card: DeviceMemory) -> bool:
    """Whether the card holds the work, and the machine the weights that wait."""
    waits = 0 if fitting.offload == "none" else host_bytes(sizes, fitting)
    return device_bytes(sizes, fitting) <= usable_bytes(card.memory) and waits <= usable_bytes(card.host)


def usable_bytes(memory: int) -> int:
    """Bytes of a memory that a render can count on."""
    return int(memory * _ROOM)


def device_bytes(sizes: MemorySizes, fitting: ExecutionConfig) -> int:
    """Bytes that the card must hold at the worst moment; the VAE is small and stays."""
    keeps = _KEEPS[fitting.storage]
    transformers = [round(size * keeps) for size in sizes.transformers]
    decode = sizes.tiled_decode if fitting.vae_tiling else sizes.decode
    step = sizes.step if fitting.cache is None else round(sizes.step * _CACHED)
    work = max(step, decode)
    if fitting.offload == "none":
        return sum(transformers) + sum(sizes.encoders) + sizes.vae + work
    if fitting.offload == "model":
        return sizes.vae + max(max(transformers) + step, *sizes.encoders, decode)
    return sizes.vae + max(max(transformers) * _GROUP_BLOCKS // 30 + step, decode)


def host_bytes(sizes: MemorySizes, fitting: ExecutionConfig) -> int:
    """Bytes of weights that wait in the machine's memory."""
    return round(sum(sizes.transformers) * _KEEPS[fitting.storage]) + sum(sizes.encoders)


def loading_bytes(sizes: MemorySizes, fitting: ExecutionConfig) -> int:
    """Bytes that the machine's memory holds while weights are read: all parts pass through it, of which fp8 is made
    only then."""
    keeps = 1.0 if fitting.storage == "fp8" else _KEEPS[fitting.storage]
    return round(sum(sizes.transformers) * keeps) + sum(sizes.encoders) + sizes.vae


def _able(card: DeviceMemory) -> tuple[Storage, ...]:
    return tuple(item for item in STORAGES if item not in _NEEDS or _NEEDS[item] in card.packages)


def parse_cache(text: str) -> float:
    """The threshold in "first-block" or "first-block:0.1".

    Raises:
        OnestoryError: U606 for anything else.
    """
    name, colon, number = text.partition(":")
    try:
        threshold = float(number) if colon else THRESHOLD
    except ValueError:
        threshold = -1.0
    if name != "first-block" or not 0 <= threshold < 1:
        help = "context, first-block, or first-block:0.1 with a threshold below 1"
        raise OnestoryError("U606", f'--cache knows no "{text}"', help=help, exit=ExitCode.USAGE)
    return threshold


def refuse_cache(fitting: ExecutionConfig, *, vace: bool, shared: bool) -> None:
    """Refuse what a first-block cache does not go with: a VACE base, compiled blocks, a step `shared` by processes.

    Raises:
        OnestoryError: U606.
    """
    if fitting.cache is None:
        return
    if vace:
        raise cannot_cache("VACE adds its control between the blocks, and would add it twice")
    if fitting.compile_blocks:
        raise cannot_cache("compiled blocks cannot stop and compare")
    if shared:
        raise cannot_cache("processes that share a step would each decide for themselves")


def cannot_cache(why: str) -> OnestoryError:
    """U606: the first-block cache cannot be used."""
    return OnestoryError(
        "U606", f"the first-block cache cannot be used here: {why}", help="leave `--cache` out", exit=ExitCode.USAGE
    )


def parse_size(text: str) -> int | None:
    """Bytes in "24GB", "24 GiB" or "24"; None for "auto".

    Raises:
        OnestoryError: U606 for anything else.
    """
    if text == "auto":
        return None
    units = {"gib": 2**30, "gb": 10**9, "g": 10**9, "mib": 2**20, "mb": 10**6, "m": 10**6}
    plain = text.strip().lower()
    unit = next((unit for unit in units if plain.endswith(unit)), "")
    try:
        size = float(plain.removesuffix(unit)) * units.get(unit, 10**9)
    except ValueError:
        size = 0.0
    if not 0 < size < 2**50:
        raise OnestoryError(
            "U606", f'"{text}" is no size of memory', help="auto, or gigabytes such as 24GB", exit=ExitCode.USAGE
        )
    return int(size)
