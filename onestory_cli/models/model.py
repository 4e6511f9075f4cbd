"""A model in memory: what reads captions and scores frames, and what makes shots. Loading is `load.py`'s.

Shape letters: B batch, C latent channels, T latent frames, P pixel frames, H W pixels or latent cells, L text tokens,
E text width, I image tokens, V image width, F pictures.
"""

from __future__ import annotations

import platform
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
    WanVACETransformer3DModel,
)
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPVisionModel, PreTrainedTokenizerBase, UMT5EncoderModel

from onestory_cli.memory.conditioner import AdaptiveConditioner
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.image_text_scorer import ImageTextScorer, latents_digest
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import MemoryWanTransformer

CPU = torch.device("cpu")
TEXT_TOKENS = 512  # what the Wan transformers were trained with; their attention counts on it where there are images
TRAIN_TIMESTEPS = 1000  # timesteps of flow matching in diffusers run from this down to 0
MAX_CACHED_CAPTIONS = 64  # captions that are kept as the encoder left them; of Wan's width they take some 50 MB
NO_MODULE = cast(Any, None)  # stands for a part that a base does not have; its ModelSpec says which those are


@dataclass(kw_only=True)
class Eyes:
    """The VAE of a model and the scorer of its pictures: all that a base without an adapter needs for selection.

    `turn` is held by the thread that works with the VAE, which keeps what it is at on itself. `shown` are the pictures
    of the shot that was made last, by the content of its latents: the next one may look at them.
    """

    spec: ModelSpec
    vae: AutoencoderKLWan
    scorer: ImageTextScorer
    device: torch.device = CPU
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    shown: tuple[bytes, NDArray[np.uint8]] | None = field(default=None, repr=False, compare=False)

    def encode_video(self, pixels_BPHWC: NDArray[np.uint8]) -> Tensor:
        """Pixels -> normalised latents (B, C, T, H, W) in float32, the mode of the posterior; P must be 4k + 1."""
        # the vae itself drops what is over without a word
        assert pixels_BPHWC.shape[1] % self.spec.temporal_stride == 1, "a clip has 4k + 1 frames"
        pixels = torch.tensor(np.ascontiguousarray(pixels_BPHWC)).to(self.device)
        return self.encode_values(pixels.permute(0, 4, 1, 2, 3).float().div(127.5).sub(1))

    def encode_values(self, values_BCPHW: Tensor) -> Tensor:
        """As `encode_video`, from colours between -1 and 1: 0 is the mid grey that stands for "not given"."""
        with self.turn:
            latents = self.vae.encode(values_BCPHW.to(self.device, self.vae.dtype)).latent_dist.mode().float()
        mean, std = self._latent_statistics()
        return (latents - mean) / std

    def encode_image(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """One picture -> (C, 1, H, W); the first latent frame of a causal VAE is a picture by itself."""
        return self.encode_video(pixels_HWC[None, None])[0]

    def decode(self, latents_CTHW: Tensor) -> NDArray[np.uint8]:
        """Normalised latents -> pixels (P, H, W, 3)."""
        mean, std = self._latent_statistics()
        latents = latents_CTHW[None].to(self.device) * std + mean
        with self.turn:
            pixels = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0][0]
        scaled = pixels.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return scaled.permute(1, 2, 3, 0).cpu().numpy()

    def pictures(self, latents_CTHW: Tensor, first: int | None = None) -> NDArray[np.uint8]:
        """The picture of every latent frame of a source, or of the `first` ones, (T, H, W, 3): the last of the pixel
        frames that it holds. No more is decoded: the VAE is causal, so the beginning does not depend on the rest.
        """
        if self.shown and self.shown[0] == latents_digest(latents_CTHW):
            return self.shown[1][:first]
        return self.decode(latents_CTHW[:, :first])[:: self.spec.temporal_stride]

    def _latent_statistics(self) -> tuple[Tensor, Tensor]:
        """(mean, std) of the VAE's latents, each (1, C, 1, 1, 1)."""
        config = self.vae.config
        values = torch.tensor([config.latents_mean, config.latents_std], device=self.device).view(2, 1, -1, 1, 1, 1)
        return values[0], values[1]


@dataclass(kw_only=True)
class Reader:
    """What selection by an adapter needs of a model, and no more: it reads captions and scores frames."""

    spec: ModelSpec
    text_encoder: UMT5EncoderModel
    tokenizer: PreTrainedTokenizerBase
    selector: FrameSelector
    device: torch.device = CPU
    texts: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def read(self, caption: str) -> Tensor:
        """As `encode_text` of one caption, (1, L, E). What was read lately is not read again: a negative caption, or a
        caption that selection has seen before."""
        if caption not in self.texts:
            while len(self.texts) >= MAX_CACHED_CAPTIONS:
                del self.texts[next(iter(self.texts))]
            self.texts[caption] = self.encode_text([caption])
        return self.texts[caption]

    def encode_text(self, captions: list[str]) -> Tensor:
        """Captions -> (B, L, E), zero after each caption's end, as the Wan transformers were trained."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=min(self.tokenizer.model_max_length, TEXT_TOKENS),
            return_tensors="pt",
        ).to(self.device)
        states_BLE = self.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        return states_BLE * tokens.attention_mask[..., None].to(states_BLE.dtype)


@dataclass(kw_only=True)
class LoadedModel(Reader, Eyes):
    """A base, and its adapter if it has one, ready to make shots. `dtype` is what the transformers compute in.

    `selector` and the conditioners are there where `spec.remembers` is "context", `transformer_2` and `conditioner_2`
    where there are two experts, the image encoder where `spec.image_tokens`.
    """

    transformer: MemoryWanTransformer | WanVACETransformer3DModel
    conditioner: AdaptiveConditioner
    transformer_2: MemoryWanTransformer | WanVACETransformer3DModel = NO_MODULE
    conditioner_2: AdaptiveConditioner = NO_MODULE
    image_encoder: CLIPVisionModel = NO_MODULE
    image_processor: Any = NO_MODULE
    scorer: ImageTextScorer = NO_MODULE
    dtype: torch.dtype = torch.float32

    def expert(self, time: Tensor) -> int:
        """Which transformer is for a timestep: 0 for `transformer`, 1 for `transformer_2`, below the boundary."""
        boundary = self.spec.boundary_ratio
        return int(boundary is not None and float(time) < boundary * TRAIN_TIMESTEPS)

    @property
    def expert_transformers(self) -> tuple[MemoryWanTransformer | WanVACETransformer3DModel, ...]:
        """All experts, that for high noise first."""
        return (self.transformer, self.transformer_2)[: self.spec.experts]

    @property
    def expert_conditioners(self) -> tuple[AdaptiveConditioner, ...]:
        """One for each expert: context tokens are in the language of one transformer."""
        return (self.conditioner, self.conditioner_2)[: self.spec.experts]

    def image_tokens(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """CLIP's view of the first frame (1, I, V), from the layer before the last, as Wan 2.1 I2V was trained."""
        inputs = self.image_processor(images=pixels_HWC, return_tensors="pt")
        inputs = inputs.to(self.device, self.image_encoder.dtype)
        return self.image_encoder(**inputs, output_hidden_states=True).hidden_states[-2]

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
            "fitting": str(self.spec.fitting),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "cpu": torch.backends.cpu.get_cpu_capability() if self.device.type == "cpu" else "",
            "gpu": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "",
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        }
