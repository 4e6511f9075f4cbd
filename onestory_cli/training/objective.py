"""Training objectives of the text encoder, and of base and adapter: L = L_shot + lambda L_sel (Eq. 10-12).

Shape letters: B batch, F memory frames, K selected frames, C latent channels, T latent frames, H W latent cells,
D transformer width, M joined tokens, A actors of a shot, K attributes of a look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from diffusers.models.attention_dispatch import attention_backend
from torch import Tensor
from transformers import UMT5EncoderModel

from onestory_cli.generation.selection import Context, condition, gather
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.selector import selection_loss
from onestory_cli.models.load import LoadedModel, is_fast_in_bfloat16
from onestory_cli.models.transformer import token_timesteps
from onestory_cli.training.data import LatentData, StoryBatch
from onestory_cli.training.probes.labels import WordProbe
from onestory_cli.training.probes.losses import ProbeTargets, capture_inputs, probe_losses
from onestory_cli.training.probes.token_probe import NO_LABEL, TokenProbe, background_cover
from onestory_cli.training.recipe import Stage

Losses = dict[str, Tensor]
Remembered = tuple[Context, ProbeTargets]  # the context tokens of a step, and their probe targets


def step_generators(seed: int, stage: int, step: int) -> tuple[np.random.Generator, torch.Generator]:
    """Random generators of one step. They depend only on seed, stage and step, so a resumed run draws the same."""
    rng = np.random.default_rng([seed, stage, step])
    return rng, torch.Generator().manual_seed(int(rng.integers(2**62)))


@dataclass(frozen=True, kw_only=True)
class TextObjective:
    """Teach the text encoder which character each word describes, and that character's look.

    `before` is a copy of the text encoder from the start of the stage. The loss keeps the states close to it, so that
    the transformer can still read them.
    """

    model: LoadedModel
    data: LatentData
    stage: Stage
    words: WordProbe
    before: UMT5EncoderModel

    def __call__(self, rng: np.random.Generator, noise: torch.Generator) -> Losses:
        stage = self.stage
        batch = self.data.batch(
            rng,
            size=stage.batch,
            earlier=0,
            inflation=0.0,
            full_caption=stage.full_caption_alone,
            stories=stage.story_slice,
            pairs=stage.pairs,
        )
        text_BLE = self.model.text.encode(list(batch.captions))
        with torch.no_grad():
            kept_BLE = replace(self.model.text, encoder=self.before).encode(list(batch.captions))
        words = self.words.loss(text_BLE, batch.words_BLK)
        moved = (text_BLE - kept_BLE).square().mean() / kept_BLE.square().mean()
        return {"loss": words + stage.keep_weight * moved, "words": words.detach(), "moved": moved.detach()}


@dataclass(frozen=True, kw_only=True)
class ShotObjective:
    """Rectified flow on a shot or one latent frame of it, given its caption and, with an adapter, its memory."""

    model: LoadedModel
    data: LatentData
    stage: Stage
    readers: Mapping[str, TokenProbe] = field(default_factory=dict)
    words: WordProbe | None = None

    def __call__(self, rng: np.random.Generator, noise: torch.Generator) -> Losses:
        stage = self.stage
        remembers = stage.kind == "adapter" and rng.random() < stage.memory
        batch = self._batch(rng, remembers=remembers)
        captions = _with_drops(batch.captions, rng, 0.0 if remembers else stage.drop_text)
        text_BLE = self.model.text.encode(captions)
        memory, losses = self._remember(batch, text_BLE, rng, noise) if remembers else (None, {})
        kind = "memory" if remembers else "alone"
        losses |= {f"{name}_{kind}": value for name, value in self._flow(batch, text_BLE, memory, rng, noise).items()}
        if self.words:
            captioned = torch.tensor([bool(caption) for caption in captions])[:, None, None]
            losses["words"] = self.words.loss(text_BLE, torch.where(captioned, batch.words_BLK, NO_LABEL))
        weights = {
            f"flow_{kind}": 1.0,
            "selection": stage.selection_weight,
            f"looks_{kind}": stage.looks_weight,
            f"roles_{kind}": stage.roles_weight,
            f"setting_{kind}": stage.setting_weight,
            "match_memory": stage.match_weight,
            "match_setting_memory": stage.match_setting_weight,
            "words": stage.words_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        return {"loss": loss, **{name: value.detach() for name, value in losses.items()}}

    def _batch(self, rng: np.random.Generator, *, remembers: bool) -> StoryBatch:
        stage = self.stage
        weights = np.array(stage.earlier) / sum(stage.earlier)
        earlier = 1 + int(rng.choice(len(weights), p=weights)) if remembers else 0
        single = stage.target == "image" and not remembers  # has less than half the tokens of a step with memory
        return self.data.batch(
            rng,
            size=stage.batch * (2 if single else 1),
            earlier=earlier,
            inflation=stage.inflation,
            full_caption=stage.full_caption if remembers else stage.full_caption_alone,
            stories=stage.story_slice,
            pairs=stage.pairs,
            accents=stage.accent_weight > 0,
        )

    def _remember(
        self, batch: StoryBatch, text_BLE: Tensor, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[Remembered, Losses]:
        """Context tokens of the selected frames, the probe targets in them, and L_sel (Eq. 11)."""
        model, stage = self.model, self.stage
        memory = batch.memory_BFCHW.to(model.device)
        spread = torch.tensor(stage.spread)[batch.times_BF % len(stage.spread)]
        labels_BF = torch.where(batch.labels_BF > -1, batch.labels_BF - spread, batch.labels_BF)
        scores_BF = model.selector(
            memory, batch.ages_BF.to(model.device), batch.times_BF.to(model.device), text_BLE.detach()
        )
        order_BF = relevance_order(stage, batch.real_BF, labels_BF, scores_BF.detach().cpu(), noise)
        frames = min(int(rng.choice(stage.remembered)), order_BF.shape[1])
        chosen_BK = order_BF[:, :frames]
        selected_BKCHW = gather(memory, chosen_BK)
        level = torch.rand(len(memory), 1, 1, 1, 1, generator=noise).square() * stage.memory_noise
        # generated frames are not as clean as real ones
        selected_BKCHW = selected_BKCHW + (level * torch.randn(selected_BKCHW.shape, generator=noise)).to(memory)
        (height, width), budget = memory.shape[-2:], float(rng.choice(stage.budgets))
        levels = allocate(frames, budget, height=height, width=width, levels=model.spec.levels)
        context = condition(model.denoiser, selected_BKCHW[:, : len(levels)], levels)
        remembered = context, ProbeTargets.of_memory(batch, chosen_BK, levels)
        return remembered, {"selection": selection_loss(scores_BF, labels_BF.to(scores_BF))}

    def _flow(
        self,
        batch: StoryBatch,
        text_BLE: Tensor,
        memory: Remembered | None,
        rng: np.random.Generator,
        noise: torch.Generator,
    ) -> Losses:
        """L_shot (Eq. 10), the weighted error of the velocity noise - clean, and the losses of the probes."""
        stage, device = self.stage, self.model.device
        clean, cast = batch.target_BCTHW.to(device), batch.cast_BATHW.to(device)
        worn = batch.worn_BTHW[:, None].to(device)
        first, given = 0, 0
        if stage.target == "image":
            first = int(rng.integers(clean.shape[2]))
            clean, cast, worn = (item[:, :, first : first + 1] for item in (clean, cast, worn))
        elif rng.random() < stage.first_frame:
            given = 1
        time_B = torch.sigmoid(stage.noise_mean + stage.noise_std * torch.randn(len(clean), generator=noise)).to(device)
        eps = torch.randn(clean.shape, generator=noise).to(device)
        time = time_B[:, None, None, None, None]
        noisy = (1 - time) * clean + time * eps
        noisy[:, :, :given] = clean[:, :, :given]
        context, remembered = memory or (None, None)
        with capture_inputs(self.model.transformer, stage) as watched:
            velocity = self._velocity(noisy, time_B, text_BLE, context, first=first, given=given)
        accent = batch.accent_BHW[:, None, None].to(device) * background_cover(cast)
        weight = 1 + stage.character_weight * (2 * cast.sum(1, keepdim=True)).clamp(max=1)
        weight += stage.accent_weight * (2 * accent).clamp(max=1)
        weight += stage.accessory_weight * (2 * worn).clamp(max=1)
        error = (weight / weight.mean() * (velocity.float() - (eps - clean)).square())[:, :, given:]
        patch = self.model.transformer.config.patch_size[-1]
        targets = ProbeTargets.of_noise(batch.looks_BAK.to(device), batch.setting_BK.to(device), cast, patch=patch)
        parts = [remembered.to(device), targets] if remembered else [targets]
        return {"flow": error.mean()} | probe_losses(self.model.transformer, stage, self.readers, watched, parts)

    def _velocity(
        self,
        noisy: Tensor,
        time_B: Tensor,
        text_BLE: Tensor,
        context: Context | None,
        *,
        first: int,
        given: int,
    ) -> Tensor:
        transformer = self.model.transformer
        tokens, rotary = (context.tokens_BSD, context.rope) if context else (None, None)
        _, _, frames, height, width = noisy.shape
        _, patch_height, patch_width = transformer.config.patch_size
        times = token_timesteps(
            time_B * 1000,
            context=0 if tokens is None else tokens.shape[1],
            frames=frames,
            per_frame=height // patch_height * (width // patch_width),
            given=given,
        )
        with training_attention(noisy.device):
            return transformer(
                noisy,
                times,
                text_BLE,
                return_dict=False,
                context_tokens=tokens,
                context_rotary=rotary,
                first_frame=first,
            )[0]


def relevance_order(
    stage: Stage, real_BF: Tensor, labels_BF: Tensor, scores_BF: Tensor, noise: torch.Generator
) -> Tensor:
    """Bank positions (B, F) in order of priority: random among real frames, by label, or by score."""
    if stage.conditioning == "uniform":
        return shuffle_real_first(real_BF, noise)
    jitter_BF = torch.randn(labels_BF.shape, generator=noise)
    if stage.conditioning == "labels":
        return (labels_BF + stage.label_noise * jitter_BF).argsort(1, descending=True)
    return scores_BF.argsort(1, descending=True)


def shuffle_real_first(real_BF: Tensor, noise: torch.Generator) -> Tensor:
    """Bank positions (B, F) in random order, frames of real shots first."""
    jitter_BF = torch.randn(real_BF.shape, generator=noise)
    return torch.where(real_BF, jitter_BF, jitter_BF - 100).argsort(1, descending=True)


def mixed_precision(device: torch.device, dtype: str) -> contextlib.AbstractContextManager[object]:
    """Autocast to a recipe's dtype if the device supports it; float32 is not cast."""
    cast = dtype != "float32" and is_fast_in_bfloat16(device)
    return torch.autocast(device.type, getattr(torch, dtype)) if cast else contextlib.nullcontext()


def training_attention(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """On CPUs, compute attention as two matrix products: the backward pass of the fused kernel is much slower."""
    return attention_backend("_native_math") if device.type == "cpu" else contextlib.nullcontext()


def _with_drops(captions: tuple[str, ...], rng: np.random.Generator, share: float) -> list[str]:
    """Captions with a share of them replaced by "", to train the unconditional branch, which has no memory either."""
    return ["" if rng.random() < share else caption for caption in captions]
