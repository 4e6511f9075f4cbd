"""Build an untrained adapter: selector, conditioner warm-started from the base, and the recipe's delta."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models.adapter import add_lora
from onestory_cli.models.load import load_selector
from onestory_cli.models.model import Denoiser
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.training.adapter.base import AdapterModel, Base
from onestory_cli.training.adapter.recipe import AdapterRecipe

MAX_TIMES = 32  # positions within a shot that the selector distinguishes


def build_adapter(recipe: AdapterRecipe, base: Base, *, frozen: torch.dtype, relative_to: Path) -> AdapterModel:
    """The base's transformer and VAE with a new adapter, initialised from the recipe's seed. It has no text encoder.

    `frozen` is the dtype of frozen weights; trainable weights are float32. If the other expert of the base already has
    an adapter, its selector is reused. That adapter's folder is relative to `relative_to`.
    """
    torch.manual_seed(recipe.seed)
    transformer = base.transformer(torch.float32 if recipe.delta == "full" else frozen)
    add_delta(recipe, transformer)
    config = transformer.config
    conditioner = AdaptiveConditioner(
        ConditionerConfig(
            latent_channels=base.spec.latent_channels,
            width=config.num_attention_heads * config.attention_head_dim,
            levels=base.spec.levels,
            share_finest=False,
        )
    )
    conditioner.warm_start(transformer.patch_embedding)
    selector = FrameSelector(
        SelectorConfig(
            latent_channels=base.spec.latent_channels,
            text_dim=config.text_dim,
            width=recipe.memory.selector_width,
            queries=recipe.memory.queries,
            times=min(base.spec.latent_frames(base.spec.frames), MAX_TIMES),
            mask_padding=True,
        )
    )
    if recipe.other_expert:
        selector = load_selector(relative_to / recipe.other_expert / "adapter").requires_grad_(False)
    for module in (transformer, selector, conditioner):
        module.to(base.device)
    denoiser = Denoiser(
        spec=base.spec,
        transformers=(transformer,),
        conditioners=(conditioner,),
        device=base.device,
        dtype=frozen if recipe.delta == "none" else torch.float32,
    )
    return AdapterModel(codec=base.codec(), selector=selector, denoiser=denoiser)


def add_delta(recipe: AdapterRecipe, transformer: MemoryWanTransformer) -> None:
    """Make the recipe's part of the transformer trainable."""
    if recipe.delta == "full":
        transformer.requires_grad_(True)
    elif recipe.delta == "lora":
        add_lora(transformer, **asdict(recipe.lora))
