"""Weights -> modules on a device: a stock diffusers base, read with diffusers' own classes, and our memory adapter.

Shape letters: B batch, C latent channels, T latent frames, P pixel frames, H W pixels or latent cells, L text tokens,
E text width.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models.catalog import CARD, ModelSpec
from onestory_cli.models.levels import Level
from onestory_cli.models.transformer import MemoryWanTransformer

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "config.json", "adapter.safetensors"
CPU = torch.device("cpu")


@dataclass(kw_only=True)
class Reader:
    """What selection needs of a model, and no more: it reads captions and scores frames."""

    spec: ModelSpec
    text_encoder: UMT5EncoderModel
    tokenizer: PreTrainedTokenizerBase
    selector: FrameSelector
    device: torch.device = CPU

    def encode_text(self, captions: list[str]) -> Tensor:
        """Captions -> (B, L, E), zero after each caption's end, as the Wan transformers were trained."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        ).to(self.device)
        states_BLE = self.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        return states_BLE * tokens.attention_mask[..., None].to(states_BLE.dtype)


@dataclass(kw_only=True)
class LoadedModel(Reader):
    """A base and its adapter, ready to make shots. `dtype` is what the transformer computes in."""

    transformer: MemoryWanTransformer
    vae: AutoencoderKLWan
    conditioner: AdaptiveConditioner
    dtype: torch.dtype = torch.float32

    def encode_video(self, pixels_BPHWC: NDArray[np.uint8]) -> Tensor:
        """Pixels -> normalised latents (B, C, T, H, W) in float32, the mode of the posterior; P must be 4k + 1."""
        # the vae itself drops what is over without a word
        assert pixels_BPHWC.shape[1] % self.spec.temporal_stride == 1, "a clip has 4k + 1 frames"
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BPHWC)).to(self.device)
        pixels_BCPHW = pixels.permute(0, 4, 1, 2, 3).float().div(127.5).sub(1).to(self.vae.dtype)
        latents = self.vae.encode(pixels_BCPHW).latent_dist.mode().float()
        mean, std = self._latent_statistics()
        return (latents - mean) / std

    def encode_image(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """One picture -> (C, 1, H, W); the first latent frame of a causal VAE is a picture by itself."""
        return self.encode_video(pixels_HWC[None, None])[0]

    def decode(self, latents_CTHW: Tensor) -> NDArray[np.uint8]:
        """Normalised latents -> pixels (P, H, W, 3)."""
        mean, std = self._latent_statistics()
        latents = latents_CTHW[None].to(self.device) * std + mean
        pixels = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0][0]
        scaled = pixels.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return scaled.permute(1, 2, 3, 0).cpu().numpy()

    def scheduler(self, name: str, steps: int, shift: float) -> SchedulerMixin:
        """A diffusers scheduler with its timesteps set. Euler is given its sigmas: its own default shifts twice."""
        if name == "unipc":
            scheduler: SchedulerMixin = UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
            )
            scheduler.set_timesteps(steps, device=self.device)
        else:
            assert name == "euler", name
            scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
            scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps), device=self.device)
        return scheduler

    def environment(self) -> dict[str, Any]:
        """What a take's bytes depend on beside its key, for its record."""
        return {
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "cpu": torch.backends.cpu.get_cpu_capability() if self.device.type == "cpu" else "",
            "gpu": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "",
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        }

    def _latent_statistics(self) -> tuple[Tensor, Tensor]:
        """(mean, std) of the VAE's latents, each (1, C, 1, 1, 1)."""
        config = self.vae.config
        values = torch.tensor([config.latents_mean, config.latents_std], device=self.device).view(2, 1, -1, 1, 1, 1)
        return values[0], values[1]


def load_reader(spec: ModelSpec, device: str = "auto") -> Reader:
    """Read of a model folder what selection needs: never the transformer or the VAE.

    Raises:
        OnestoryError: M503 when weights are missing or damaged, M504 when the device is not there.
    """
    target = pick_device(device)
    base = Path(spec.base)
    with _reading(spec):
        reader = Reader(
            spec=spec,
            text_encoder=UMT5EncoderModel.from_pretrained(base / "text_encoder", dtype=torch.float32),
            tokenizer=AutoTokenizer.from_pretrained(base / "tokenizer"),
            selector=load_selector(Path(spec.adapter)),
            device=target,
        )
    _settle(target, reader.text_encoder, reader.selector)
    return reader


def load_model(spec: ModelSpec, device: str = "auto", *, reader: Reader | None = None) -> LoadedModel:
    """Read the weights of a model folder; what a `reader` of it holds already is not read again.

    Raises:
        OnestoryError: M502 when card and adapter disagree, M503 when weights are missing or damaged, M504 when the
            device is not there.
    """
    reader = reader or load_reader(spec, device)
    base = Path(spec.base)
    with _reading(spec):
        # mapped files are not aligned in memory, and outputs then differ in the last bits
        options = {"disable_mmap": True, "torch_dtype": torch.float32}
        model = LoadedModel(
            **vars(reader),
            transformer=MemoryWanTransformer.from_pretrained(base / "transformer", **options),
            vae=AutoencoderKLWan.from_pretrained(base / "vae", **options),
            conditioner=load_conditioner(Path(spec.adapter)),
        )
    if model.conditioner.config.levels != spec.levels:
        raise OnestoryError(
            "M502",
            f'the levels on the card of "{spec.name}" are not those of its adapter',
            help=f"write {CARD} as training did, with the levels of adapter/{ADAPTER_CONFIG}",
            exit=ExitCode.MACHINE,
        )
    _settle(reader.device, model.transformer, model.vae, model.conditioner)
    return model


def load_selector(adapter: Path) -> FrameSelector:
    """The FrameSelector of an adapter folder."""
    selector = FrameSelector(SelectorConfig(**_adapter_config(adapter)["selector"]))
    selector.load_state_dict(_adapter_weights(adapter, "selector."))
    return selector


def load_conditioner(adapter: Path) -> AdaptiveConditioner:
    """The AdaptiveConditioner of an adapter folder."""
    config = _adapter_config(adapter)["conditioner"]
    levels = tuple(Level(**row) for row in config.pop("levels"))
    conditioner = AdaptiveConditioner(ConditionerConfig(**config, levels=levels))
    conditioner.load_state_dict(_adapter_weights(adapter, "conditioner."))
    return conditioner


def _adapter_config(adapter: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return config


def _adapter_weights(adapter: Path, prefix: str) -> dict[str, Tensor]:
    """The weights of one module of an adapter, by their names in it, in float32."""
    stored = load_file(adapter / ADAPTER_WEIGHTS)
    return {key.removeprefix(prefix): value.float() for key, value in stored.items() if key.startswith(prefix)}


@contextmanager
def _reading(spec: ModelSpec) -> Iterator[None]:
    """Turn whatever the libraries say about weights that cannot be read into M503."""
    quietly()
    try:
        yield
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as fault:
        reason = str(fault).splitlines() or [type(fault).__name__]
        raise OnestoryError(
            "M503",
            f'weights of "{spec.name}" cannot be read: {reason[0]}',
            help="install the package again, or name another model",
            exit=ExitCode.MACHINE,
        ) from fault


def _settle(device: torch.device, *parts: torch.nn.Module) -> None:
    """On the device, for making and not for training."""
    for part in parts:
        part.to(device).eval().requires_grad_(False)


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


def quietly() -> None:
    """Weights load in a second; the libraries' own bars and notes would only tear the console's."""
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
