"""Weights -> modules on a device: a stock diffusers base, read with diffusers' own classes, and our memory adapter.

Only safetensors and GGUF are read: a pickle runs code when it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.levels import Level
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models import context_parallel as parallel
from onestory_cli.models.adapter import (
    ADAPTER_CONFIG,
    apply_delta,
    read_config,
    read_weights,
    require_base,
)
from onestory_cli.models.catalog import CARD, ModelSpec, not_downloaded
from onestory_cli.models.hub import cached_snapshot
from onestory_cli.models.image_text_scorer import ImageTextScorer
from onestory_cli.models.lora import apply_loras
from onestory_cli.models.model import CPU, NO_MODULE, Eyes, LoadedModel, Reader
from onestory_cli.models.offload.apply import apply_execution, quantization_options
from onestory_cli.models.offload.config import refuse_cache
from onestory_cli.models.transformer import JoinedRotary, MemoryWanTransformer

__all__ = [
    "CPU",
    "Eyes",
    "LoadedModel",
    "Reader",
    "load_model",
    "load_selection_model",
    "pick_device",
    "silence_library_logging",
]

ALIGNMENT = 64  # bytes; what torch's own allocator gives on processors


def load_selection_model(spec: ModelSpec, device: str = "auto") -> Reader | Eyes:
    """Read of a model what selection needs: never the transformer.

    With an adapter that is text encoder and selector; without one, the VAE to look at frames and a scorer of pictures.

    Raises:
        OnestoryError: M503 when weights are missing or damaged, M504 when the device is not there.
    """
    target = pick_device(device)
    with reading_weights(spec):
        if spec.remembers == "context":
            reader = Reader(
                spec=spec, **text_parts(spec, target), selector=load_selector(Path(spec.adapter)), device=target
            )
            to_device(target, reader.text_encoder, reader.selector)
            return reader
        eyes = Eyes(spec=spec, vae=load_vae(spec), scorer=_scorer(spec, target), device=target)
        to_device(target, eyes.vae)
        return eyes


def load_model(
    spec: ModelSpec, device: str = "auto", *, reader: Reader | Eyes | None = None, shared: bool = False
) -> LoadedModel:
    """Read the weights of a model; what a `reader` of it holds already is not read again. `shared`: among the processes
    that joined, which all load it at once.

    Raises:
        OnestoryError: M502 when card and adapter disagree, M503 when weights are missing or damaged, M504 when the
            device is not there, M520 for an adapter of another base, M521 for a LoRA of another, U606 for switches
            that do not go together.
    """
    refuse_cache(spec.fitting, vace=spec.task == "vace", shared=shared)
    reader = reader or load_selection_model(spec, device)
    if shared and parallel.leads():
        parallel.tell("load", spec, reader.device.type)
    dtype = compute_type(spec, reader.device)
    with reading_weights(spec):
        parts: dict[str, Any] = {"selector": NO_MODULE, "conditioner": NO_MODULE, **vars(reader)}
        if isinstance(reader, Eyes):
            parts |= text_parts(spec, reader.device)
        else:
            parts |= {"vae": load_vae(spec)}
        for number in range(1, spec.experts + 1):
            suffix = "" if number == 1 else f"_{number}"
            transformer = parts[f"transformer{suffix}"] = load_transformer(spec, f"transformer{suffix}", dtype)
            if spec.remembers == "context":
                require_base(spec, transformer, f"transformer{suffix}")
                apply_delta(Path(spec.adapter), transformer, f"transformer{suffix}")
                parts[f"conditioner{suffix}"] = load_conditioner(Path(spec.adapter), f"conditioner{suffix}")
            apply_loras(spec, transformer, number - 1)
        parts |= image_parts(spec, dtype) if spec.image_tokens else {}
        model = LoadedModel(**parts, dtype=dtype)
    if spec.remembers == "context" and any(item.config.levels != spec.levels for item in model.expert_conditioners):
        raise OnestoryError(
            "M502",
            f'the levels on the card of "{spec.name}" are not those of its adapter',
            help=f"write {CARD} as training did, with the levels of adapter/{ADAPTER_CONFIG}",
            exit=ExitCode.MACHINE,
        )
    _fit(model)
    if shared:
        parallel.share(model.expert_transformers)
    return model


def _fit(model: LoadedModel) -> None:
    """All parts on the device but those that wait elsewhere, and the switches of the model's fitting set."""
    fitting, device = model.spec.fitting, model.device
    transformers = list(model.expert_transformers)
    encoders = [item for item in (model.text_encoder, model.image_encoder) if item is not NO_MODULE]
    waits = device.type == "cuda" and fitting.offload != "none"
    waiting = [*transformers, *encoders] if waits else []
    parts = [part for part in vars(model).values() if isinstance(part, nn.Module)]
    to_device(CPU, *waiting)
    to_device(device, *(part for part in parts if not any(part is other for other in waiting)))
    apply_execution(fitting, device, transformers=transformers, encoders=encoders, vae=model.vae)


def compute_type(spec: ModelSpec, device: torch.device) -> torch.dtype:
    """What transformers and encoders compute in: the model's own type on a GPU, float32 on a processor."""
    kind: torch.dtype = getattr(torch, spec.dtype)
    return torch.float32 if device.type == "cpu" else kind


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16. Processors without instructions for it take many times as long."""
    return device.type == "cuda" or (device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_transformer(
    spec: ModelSpec, part: str, dtype: torch.dtype
) -> MemoryWanTransformer | WanVACETransformer3DModel:
    """One expert, from its folder or from the single file that replaces it; VACE is the stock class, which takes its
    memory as reference images."""
    kind = WanVACETransformer3DModel if spec.task == "vace" else MemoryWanTransformer
    file = spec.transformer_file if part == "transformer" else spec.transformer_2_file
    if not file:
        options = {"torch_dtype": dtype, "use_safetensors": True} | quantization_options(spec.fitting, dtype)
        return kind.from_pretrained(Path(spec.base) / part, **options)
    return _from_single_file(kind, Path(file), Path(spec.base) / part, dtype)


def _from_single_file(kind: Any, file: Path, config: Path, dtype: torch.dtype) -> Any:
    options: dict[str, Any] = {"config": str(config), "torch_dtype": dtype, "local_files_only": True}
    if file.suffix == ".gguf":
        options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    else:
        options["disable_mmap"] = True
    try:
        model = kind.from_single_file(str(file), **options)
    except NotImplementedError as fault:  # torch's, of a weight that has a name and no data
        raise ValueError(f'"{file.name}" lacks weights that its base has') from fault
    # the whole model was cast, and with it the rotary table, which must stay exact
    settings = model.config
    rope = WanRotaryPosEmbed(settings.attention_head_dim, tuple(settings.patch_size), settings.rope_max_seq_len)
    model.rope = JoinedRotary(rope) if kind is MemoryWanTransformer else rope
    return model


def text_parts(spec: ModelSpec, device: torch.device) -> dict[str, Any]:
    """The text encoder and its tokenizer."""
    base, dtype = Path(spec.base), compute_type(spec, device)
    return {
        "text_encoder": UMT5EncoderModel.from_pretrained(base / "text_encoder", dtype=dtype, use_safetensors=True),
        "tokenizer": AutoTokenizer.from_pretrained(base / "tokenizer", trust_remote_code=False),
    }


def image_parts(spec: ModelSpec, dtype: torch.dtype) -> dict[str, Any]:
    """The encoder of first frames and its processor, of a base that has them."""
    base = Path(spec.base)
    return {
        "image_encoder": CLIPVisionModel.from_pretrained(base / "image_encoder", dtype=dtype, use_safetensors=True),
        "image_processor": AutoImageProcessor.from_pretrained(base / "image_processor", backend="pil"),
    }


def load_vae(spec: ModelSpec) -> AutoencoderKLWan:
    """In float32 whatever the rest computes in: Wan's VAE shows bands of colour in less."""
    options = {"torch_dtype": torch.float32, "use_safetensors": True}
    return AutoencoderKLWan.from_pretrained(Path(spec.base) / "vae", **options)


def _scorer(spec: ModelSpec, device: torch.device) -> ImageTextScorer:
    def folder() -> Path:
        """The scorer's folder, once it is needed: a policy that goes by place alone never asks."""
        if Path(spec.scorer).is_dir():
            return Path(spec.scorer)
        found = cached_snapshot(spec.scorer)
        if found is None:
            raise not_downloaded(spec.scorer, spec.scorer)
        return found

    return ImageTextScorer(folder, device)


def load_selector(adapter: Path) -> FrameSelector:
    """The FrameSelector of an adapter folder."""
    selector = FrameSelector(SelectorConfig(**read_config(adapter)["selector"]))
    selector.load_state_dict(_weights(adapter, "selector"))
    return selector


def load_conditioner(adapter: Path, name: str = "conditioner") -> AdaptiveConditioner:
    """An AdaptiveConditioner of an adapter folder: "conditioner", or "conditioner_2" for the second expert."""
    config = read_config(adapter)[name]
    levels = tuple(Level(**row) for row in config.pop("levels"))
    conditioner = AdaptiveConditioner(ConditionerConfig(**config, levels=levels))
    conditioner.load_state_dict(_weights(adapter, name))
    return conditioner


def _weights(adapter: Path, part: str) -> dict[str, Tensor]:
    """The weights of one module of an adapter, by their names in it, in float32."""
    return {name: value.float() for name, value in read_weights(adapter, part).items()}


@contextmanager
def reading_weights(spec: ModelSpec) -> Iterator[None]:
    """Turn whatever the libraries say about weights that cannot be read into M503."""
    silence_library_logging()
    try:
        yield
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError, ImportError) as fault:
        reason = str(fault).splitlines() or [type(fault).__name__]
        help = f"`onestory models fetch {spec.hub}`" if spec.hub else "install the package again, or name another model"
        raise OnestoryError(
            "M503", f'weights of "{spec.name}" cannot be read: {reason[0]}', help=help, exit=ExitCode.MACHINE
        ) from fault


def to_device(device: torch.device, *parts: nn.Module) -> None:
    """On the device, for making and not for training, and in memory as torch itself would lay it out.

    Libraries map files of weights into memory, which is the fastest way to read them. But there a tensor lies at any
    distance from a cache line, and some kernels round by that; and it would change with its file.
    """
    for part in parts:
        part.to(device).eval().requires_grad_(False)
        for value in (*part.parameters(), *part.buffers()):
            plain = type(value) in (Tensor, nn.Parameter)
            if plain and value.device.type == "cpu" and not _is_torchs_own(value):
                value.data = value.data.clone()


def _is_torchs_own(value: Tensor) -> bool:
    """Whether torch has given a tensor its memory: what it could make larger, and aligned as it always does."""
    return value.untyped_storage().resizable() and value.data_ptr() % ALIGNMENT == 0


def pick_device(name: str) -> torch.device:
    """ "auto" is the first GPU where there is one, else the processor.

    Raises:
        OnestoryError: M504 for a device that this machine or this torch does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as fault:
        raise OnestoryError(
            "M504",
            f'device "{name}" is not available here',
            help="use --device cpu, or `onestory doctor` to see what there is",
            exit=ExitCode.MACHINE,
        ) from fault
    return device


def silence_library_logging() -> None:
    """Weights load in a second; the libraries' own bars and notes would only tear the console's."""
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
