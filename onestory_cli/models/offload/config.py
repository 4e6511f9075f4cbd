"""Choose how a model is executed on a device: offload, quantization, VAE tiling. No torch here.

Options that change the bytes of a shot (quantization, VAE tiling, attention kernel, compiled blocks, block cache) are
part of the model's fingerprint. Offloading is not: where weights wait changes no byte.
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
# Size of quantized weights as a fraction of bf16; norms, embeddings and scales stay in bf16.
_SIZE_RATIO: dict[Storage, float] = {"none": 1.0, "fp8": 0.55, "int8": 0.55, "nf4": 0.32}
_PACKAGES: dict[Storage, str] = {"int8": "torchao", "nf4": "bitsandbytes"}
CONTEXT = "context"  # the mode of `--cache` that reuses context tokens
CACHE_THRESHOLD = 0.05  # of the first-block cache, diffusers' default; see models.caches.cache_blocks
_USABLE = 0.92  # fraction of a memory; the rest is for the driver, kernels and fragmentation
_CACHED_STEP = 1.5  # the block cache keeps three tensors of two passes in addition to a step's activations
_GROUP_BLOCKS = 4  # transformer blocks on the GPU with group offload: two in use, two in transfer
_BLOCKS = 30  # blocks of a Wan transformer, at least: 30 or 40


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """How one model is executed. `storage` is the quantization of the transformer weights. `attention` "" is torch's
    own kernel. `cache` is the threshold of the first-block cache, or None without it.
    `reuse_context` computes the context tokens of a shot only once."""

    offload: Offload = "none"
    storage: Storage = "none"
    vae_tiling: bool = False
    attention: str = ""
    compile_blocks: bool = False
    cache: float | None = None
    reuse_context: bool = False

    @property
    def changes(self) -> tuple[str, ...]:
        """The options that change the bytes of a shot, as text."""
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
    def recorded(self) -> ExecutionConfig:
        """The options that run.json records, because they change bytes: all except `offload`."""
        return replace(self, offload="none")

    def __str__(self) -> str:
        parts = [f"offload {self.offload}"] if self.offload != "none" else []
        return ", ".join((*parts, *self.changes)) or "none"


DEFAULT_EXECUTION = ExecutionConfig()


@dataclass(frozen=True, kw_only=True)
class ExecutionRequest:
    """The options given on the command line; None leaves the choice to `choose_execution`."""

    offload: Offload | None = None
    storage: Storage | None = None
    vae_tiling: bool | None = None
    attention: str = ""
    compile_blocks: bool = False
    cache: float | None = None
    reuse_context: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceMemory:
    """Bytes of `memory` that a render may use on its device, and of the `host`; on a CPU both are the same memory.

    `packages` are the installed quantization packages.
    """

    memory: int
    host: int
    gpu: bool = True
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class MemorySizes:
    """Bytes of a model's parts in the dtype that it computes in, and of the activations of one shot.

    `step` is one denoising step, `decode` and `tiled_decode` the VAE's decoding.
    """

    transformers: tuple[int, ...]
    encoders: tuple[int, ...]
    vae: int
    step: int
    decode: int
    tiled_decode: int


def choose_execution(
    sizes: MemorySizes, device: DeviceMemory, request: ExecutionRequest | None = None
) -> ExecutionConfig:
    """The first candidate that fits and satisfies the request; on a CPU, exactly what the request says.

    Raises:
        OnestoryError: U607 if no candidate fits.
    """
    configs = candidates(sizes, device, request or ExecutionRequest())
    chosen = next((config for config in configs if not device.gpu or fits(sizes, config, device)), None)
    if chosen is None:
        raise OnestoryError(
            "U607",
            f"the model does not fit into {device.memory / 1e9:.1f} GB with any supported offload or quantization",
            help="use a smaller size or fewer frames, a smaller model, or a .gguf file of it in `model:`",
            exit=ExitCode.MACHINE,
        )
    return chosen


def candidates(sizes: MemorySizes, device: DeviceMemory, request: ExecutionRequest) -> Iterator[ExecutionConfig]:
    """The configs that the request and the installed packages allow, best first; one on a CPU.

    Offload comes before quantization, because it costs time but changes no byte. The VAE is tiled if decoding alone
    does not fit.
    """
    fixed = ExecutionConfig(
        attention=request.attention,
        compile_blocks=request.compile_blocks,
        cache=request.cache,
        reuse_context=request.reuse_context,
    )
    if not device.gpu:
        yield replace(fixed, storage=request.storage or "none", vae_tiling=bool(request.vae_tiling))
        return
    tiling = request.vae_tiling
    if tiling is None:
        tiling = sizes.vae + sizes.decode > usable_bytes(device.memory)
    for storage in (request.storage,) if request.storage else _installed(device):
        for offload in (request.offload,) if request.offload else OFFLOADS:
            yield replace(fixed, offload=offload, storage=storage, vae_tiling=tiling)


def fits(sizes: MemorySizes, config: ExecutionConfig, device: DeviceMemory) -> bool:
    """Whether the device has memory for the work, and the host for the offloaded weights."""
    offloaded = 0 if config.offload == "none" else host_bytes(sizes, config)
    return device_bytes(sizes, config) <= usable_bytes(device.memory) and offloaded <= usable_bytes(device.host)


def usable_bytes(memory: int) -> int:
    """The part of a memory that a render can use."""
    return int(memory * _USABLE)


def device_bytes(sizes: MemorySizes, config: ExecutionConfig) -> int:
    """Peak bytes on the device. The VAE is small and never offloaded."""
    ratio = _SIZE_RATIO[config.storage]
    transformers = [round(size * ratio) for size in sizes.transformers]
    decode = sizes.tiled_decode if config.vae_tiling else sizes.decode
    step = sizes.step if config.cache is None else round(sizes.step * _CACHED_STEP)
    if config.offload == "none":
        return sum(transformers) + sum(sizes.encoders) + sizes.vae + max(step, decode)
    if config.offload == "model":
        return sizes.vae + max(max(transformers) + step, *sizes.encoders, decode)
    return sizes.vae + max(max(transformers) * _GROUP_BLOCKS // _BLOCKS + step, decode)


def host_bytes(sizes: MemorySizes, config: ExecutionConfig) -> int:
    """Bytes of offloaded weights in host memory."""
    return round(sum(sizes.transformers) * _SIZE_RATIO[config.storage]) + sum(sizes.encoders)


def loading_bytes(sizes: MemorySizes, config: ExecutionConfig) -> int:
    """Bytes of host memory while loading. All parts pass through it; fp8 is cast only after that."""
    ratio = 1.0 if config.storage == "fp8" else _SIZE_RATIO[config.storage]
    return round(sum(sizes.transformers) * ratio) + sum(sizes.encoders) + sizes.vae


def _installed(device: DeviceMemory) -> tuple[Storage, ...]:
    return tuple(item for item in STORAGES if item not in _PACKAGES or _PACKAGES[item] in device.packages)


def parse_cache(text: str) -> float:
    """The threshold in "first-block" or "first-block:0.1".

    Raises:
        OnestoryError: U606 for anything else.
    """
    name, colon, number = text.partition(":")
    try:
        threshold = float(number) if colon else CACHE_THRESHOLD
    except ValueError:
        threshold = -1.0
    if name != "first-block" or not 0 <= threshold < 1:
        help = "use context, first-block, or first-block:0.1 with a threshold below 1"
        raise OnestoryError("U606", f'unknown --cache mode "{text}"', help=help, exit=ExitCode.USAGE)
    return threshold


def refuse_cache(config: ExecutionConfig, *, vace: bool, shared: bool) -> None:
    """Refuse a first-block cache for VACE, for compiled blocks, or for a step `shared` by several processes.

    Raises:
        OnestoryError: U606.
    """
    if config.cache is None:
        return
    if vace:
        raise cannot_cache("VACE adds its control between the blocks and would add it twice")
    if config.compile_blocks:
        raise cannot_cache("compiled blocks cannot be skipped")
    if shared:
        raise cannot_cache("processes that share a step would decide differently")


def cannot_cache(why: str) -> OnestoryError:
    """U606: the first-block cache cannot be used."""
    return OnestoryError("U606", f"cannot use the first-block cache: {why}", help="omit `--cache`", exit=ExitCode.USAGE)


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
            "U606", f'invalid memory size "{text}"', help="use auto, or gigabytes such as 24GB", exit=ExitCode.USAGE
        )
    return int(size)
