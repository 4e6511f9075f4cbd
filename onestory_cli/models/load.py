"""Load weights onto a device: a stock diffusers base, with diffusers' own classes, and the memory adapter.

Only safetensors and GGUF files are read: opening a pickle can run code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from torch import Tensor, nn
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.levels import Level
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models import context_parallel
from onestory_cli.models.adapter import ADAPTER_CONFIG, apply_delta, read_config, read_weights, require_base
from onestory_cli.models.availability import require_loadable
from onestory_cli.models.catalog import CARD, ModelSpec, not_downloaded
from onestory_cli.models.encoders import CPU, CaptionEncoder, VaeCodec
from onestory_cli.models.hub import folder_of
from onestory_cli.models.image_text_scorer import ImageTextScorer
from onestory_cli.models.library_logging import silence_library_logging
from onestory_cli.models.lora import apply_loras
from onestory_cli.models.model import (
    ClipImageEncoder,
    Denoiser,
    LoadedModel,
    PictureSelector,
    SelectionModel,
    TextSelector,
    Transformer,
)
from onestory_cli.models.network_size import require_settings, require_size
from onestory_cli.models.offload.apply import apply_execution, quantization_options
from onestory_cli.models.offload.config import refuse_cache
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.models.transformer_file import load_single_file

__all__ = ["CPU", "LoadedModel", "load_model", "load_selection_model", "pick_device", "silence_library_logging"]

ALIGNMENT = 64  # bytes; torch's own CPU allocator aligns to this


def load_selection_model(spec: ModelSpec, device: str = "auto") -> SelectionModel:
    """Load what memory selection needs: text encoder and frame selector, or VAE and scorer; never the transformer.

    Raises:
        OnestoryError: M503 for missing or damaged weights, M504 for an unavailable device, M558 for an external model.
    """
    target = pick_device(device)
    with reading_weights(spec):
        if spec.remembers != "context":
            return PictureSelector(spec=spec, codec=load_codec(spec, target), scorer=load_scorer(spec, target))
        text, selector = load_caption_encoder(spec, target), load_selector(Path(spec.files.adapter))
        to_device(target, text.encoder, selector)
        return TextSelector(spec=spec, text=text, selector=selector)


def load_model(
    spec: ModelSpec, device: str = "auto", *, selection: SelectionModel | None = None, shared: bool = False
) -> LoadedModel:
    """Load a model, reusing the parts that `selection` already holds.

    With `shared`, the processes of torchrun load it together and split each transformer among them.

    Raises:
        OnestoryError: M502 if card and adapter disagree, M503 for missing or damaged weights, M504 for an unavailable
            device, M520 for an adapter of another base, M521 for an unsuitable LoRA, M558 for an external model, U606
            for execution options that exclude each other.
    """
    refuse_cache(spec.execution, vace=spec.task == "vace", shared=shared)
    selection = selection or load_selection_model(spec, device)
    target = selection.text.device if isinstance(selection, TextSelector) else selection.codec.device
    if shared and context_parallel.has_followers():
        context_parallel.broadcast("load", spec, target.type)
    with reading_weights(spec):
        model = LoadedModel(
            text=selection.text if isinstance(selection, TextSelector) else load_caption_encoder(spec, target),
            codec=selection.codec if isinstance(selection, PictureSelector) else load_codec(spec, target),
            selection=selection,
            denoiser=_load_denoiser(spec, target),
            image_encoder=load_image_encoder(spec, target) if spec.image_tokens else None,
        )
    if any(item.config.levels != spec.levels for item in model.denoiser.conditioners):
        raise OnestoryError(
            "M502",
            f'the card of "{spec.name}" has other levels than its adapter',
            help=f"copy the levels of adapter/{ADAPTER_CONFIG} to {CARD}, as training wrote them",
            exit=ExitCode.MACHINE,
        )
    _place(model)
    if shared:
        context_parallel.parallelize(model.denoiser.transformers)
    return model


def _load_denoiser(spec: ModelSpec, device: torch.device) -> Denoiser:
    """All experts with their adapter parts and LoRAs, still on the CPU."""
    dtype = compute_dtype(spec, device)
    loaded: list[Transformer] = []
    conditioners = []
    for expert in range(spec.experts):
        suffix = f"_{expert + 1}" if expert else ""
        transformer = load_transformer(spec, f"transformer{suffix}", dtype)
        if spec.remembers == "context":
            require_base(spec, transformer, f"transformer{suffix}")
            apply_delta(Path(spec.files.adapter), transformer, f"transformer{suffix}")
            conditioners.append(load_conditioner(Path(spec.files.adapter), f"conditioner{suffix}"))
        apply_loras(spec, transformer, expert)
        loaded.append(transformer)
    return Denoiser(spec=spec, transformers=tuple(loaded), conditioners=tuple(conditioners), device=device, dtype=dtype)


def _place(model: LoadedModel) -> None:
    """Move the modules to the device, except those that are offloaded, and apply the execution options."""
    config, device = model.spec.execution, model.device
    denoisers = list(model.denoiser.transformers)
    encoders = [model.text.encoder, *([model.image_encoder.encoder] if model.image_encoder else [])]
    offloaded = [*denoisers, *encoders] if device.type == "cuda" and config.offload != "none" else []
    to_device(CPU, *offloaded)
    to_device(device, *(part for part in model.modules if not any(part is other for other in offloaded)))
    apply_execution(config, device, transformers=denoisers, encoders=encoders, vae=model.codec.vae)


def compute_dtype(spec: ModelSpec, device: torch.device) -> torch.dtype:
    """The dtype of transformers and encoders: the spec's on a GPU, float32 on a CPU."""
    dtype: torch.dtype = getattr(torch, spec.dtype)
    return torch.float32 if device.type == "cpu" else dtype


def is_fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device has bfloat16 instructions; without them a CPU is many times slower than in float32."""
    return device.type == "cuda" or (device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_transformer(spec: ModelSpec, part: str, dtype: torch.dtype) -> Transformer:
    """One expert, from its folder or from the single file that replaces it.

    VACE is the stock class: it reads its memory as reference images.
    """
    kind = WanVACETransformer3DModel if spec.task == "vace" else MemoryWanTransformer
    file = spec.files.transformer_file if part == "transformer" else spec.files.transformer_2_file
    folder = Path(spec.files.base) / part
    weights = Path(file) if file else None
    require_size(folder, lambda: kind.from_config(kind.load_config(folder)), weights=weights)
    if not weights:
        options = {"torch_dtype": dtype, "use_safetensors": True} | quantization_options(spec.execution, dtype)
        return kind.from_pretrained(folder, **options)
    return load_single_file(kind, weights, folder, dtype)


def load_caption_encoder(spec: ModelSpec, device: torch.device) -> CaptionEncoder:
    """The text encoder and its tokenizer, still on the CPU."""
    base, dtype = Path(spec.files.base), compute_dtype(spec, device)
    folder = base / "text_encoder"
    require_size(folder, lambda: UMT5EncoderModel(UMT5Config.from_pretrained(folder)))
    require_settings(base / "tokenizer")
    encoder = UMT5EncoderModel.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(base / "tokenizer", trust_remote_code=False)
    return CaptionEncoder(encoder=encoder, tokenizer=tokenizer, device=device)


def load_image_encoder(spec: ModelSpec, device: torch.device, dtype: torch.dtype | None = None) -> ClipImageEncoder:
    """The encoder of first frames and its processor, still on the CPU."""
    base, dtype = Path(spec.files.base), dtype or compute_dtype(spec, device)
    folder = base / "image_encoder"
    require_size(folder, lambda: CLIPVisionModel(CLIPVisionConfig.from_pretrained(folder)))
    require_settings(base / "image_processor")
    return ClipImageEncoder(
        encoder=CLIPVisionModel.from_pretrained(folder, dtype=dtype, use_safetensors=True),
        processor=AutoImageProcessor.from_pretrained(base / "image_processor", backend="pil"),
        device=device,
    )


def load_codec(spec: ModelSpec, device: torch.device) -> VaeCodec:
    """The VAE, always in float32: in lower precision Wan's VAE shows bands of color.

    Raises:
        OnestoryError: M503 for missing or damaged weights, M558 for an external model.
    """
    options = {"torch_dtype": torch.float32, "use_safetensors": True}
    with reading_weights(spec):
        folder = Path(spec.files.base) / "vae"
        require_size(folder, lambda: AutoencoderKLWan.from_config(AutoencoderKLWan.load_config(folder)))
        vae = AutoencoderKLWan.from_pretrained(folder, **options)
        to_device(device, vae)
    return VaeCodec(vae=vae, device=device)


def load_scorer(spec: ModelSpec, device: torch.device) -> ImageTextScorer:
    """The image-text model that scores relevance. Its weights are loaded when they are first used."""

    def folder() -> Path:
        """The scorer's folder; resolved on first use, since some policies never need it."""
        found = folder_of(spec.scorer)
        if found is None:
            raise not_downloaded(spec.scorer, spec.scorer)
        return found

    return ImageTextScorer(folder, device)


def load_selector(adapter: Path) -> FrameSelector:
    """The FrameSelector of an adapter folder. The sizes are compared with the weights before memory is allocated."""
    with torch.device("meta"):
        selector = FrameSelector(SelectorConfig(**read_config(adapter)["selector"]))
    selector.load_state_dict(_weights(adapter, "selector"), assign=True)
    return selector


def load_conditioner(adapter: Path, name: str = "conditioner") -> AdaptiveConditioner:
    """An AdaptiveConditioner of an adapter folder: "conditioner", or "conditioner_2" for the low-noise expert."""
    config = read_config(adapter)[name]
    levels = tuple(Level(**row) for row in config.pop("levels"))
    with torch.device("meta"):
        conditioner = AdaptiveConditioner(ConditionerConfig(**config, levels=levels))
    conditioner.load_state_dict(_weights(adapter, name), assign=True)
    return conditioner


def _weights(adapter: Path, part: str) -> dict[str, Tensor]:
    """The weights of one module of an adapter, by parameter name, in float32."""
    return {name: value.float() for name, value in read_weights(adapter, part).items()}


@contextmanager
def reading_weights(spec: ModelSpec) -> Iterator[None]:
    """Convert the libraries' errors about unreadable weights to M503; refuse an external model (M558)."""
    require_loadable(spec)
    silence_library_logging()
    try:
        yield
    except OnestoryError:
        raise
    except Exception as fault:  # the libraries raise whatever a hostile config leads to, assertions included
        reason = str(fault).splitlines() or [type(fault).__name__]
        hub = spec.files.hub
        help = f"run `onestory models fetch {hub}`" if hub else "install the package again, or use another model"
        raise OnestoryError(
            "M503", f'cannot read the weights of "{spec.name}": {reason[0]}', help=help, exit=ExitCode.MACHINE
        ) from fault


def to_device(device: torch.device, *modules: nn.Module) -> None:
    """Move modules to `device`, set eval mode, freeze them, and copy memory-mapped tensors.

    Libraries map weight files into memory. Some kernels round by the alignment of a tensor, which then depends on the
    file; a copy by torch's allocator makes results independent of it.
    """
    for module in modules:
        module.to(device).eval().requires_grad_(False)
        for value in (*module.parameters(), *module.buffers()):
            plain = type(value) in (Tensor, nn.Parameter)
            if plain and value.device.type == "cpu" and not _is_allocated_by_torch(value):
                value.data = value.data.clone()


def _is_allocated_by_torch(value: Tensor) -> bool:
    """Whether torch allocated a tensor's memory: then it is resizable and aligned."""
    return value.untyped_storage().resizable() and value.data_ptr() % ALIGNMENT == 0


def pick_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is the first GPU, or the CPU without one.

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
            help="use --device cpu, or run `onestory doctor` to list the devices",
            exit=ExitCode.MACHINE,
        ) from fault
    return device
