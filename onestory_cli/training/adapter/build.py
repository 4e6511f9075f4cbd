"""Build what a recipe trains: a new adapter for a base, or a student of a base and its adapter."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from diffusers.training_utils import cast_training_params
from diffusers.utils import set_weights_and_activate_adapters

from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models.adapter import STUDENT, add_lora, apply_delta, require_base
from onestory_cli.models.load import load_conditioner, load_selector, reading_weights, to_device
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
    for module in (selector, conditioner) if base.sharded else (transformer, selector, conditioner):
        module.to(base.device)
    denoiser = Denoiser(
        spec=base.spec,
        transformers=(transformer,),
        conditioners=(conditioner,),
        device=base.device,
        dtype=frozen if recipe.delta == "none" else torch.float32,
    )
    return AdapterModel(codec=base.codec(), denoiser=denoiser, frame_selector=selector)


def build_student(recipe: AdapterRecipe, base: Base, *, frozen: torch.dtype) -> AdapterModel:
    """The base, with its memory adapter if it has one, and a new LoRA: its only trainable weights, in float32.

    Everything else is frozen; the transformer is in `frozen`. The new LoRA changes nothing until it is trained.
    """
    torch.manual_seed(recipe.seed)
    transformer, spec, part = base.transformer(frozen), base.spec, base.part
    selector: FrameSelector | None = None
    conditioners: tuple[AdaptiveConditioner, ...] = ()
    if spec.remembers == "context":
        adapter = Path(spec.files.adapter)
        with reading_weights(spec):
            require_base(spec, transformer, part)
            apply_delta(adapter, transformer, part)
            selector = load_selector(adapter)
            conditioners = (load_conditioner(adapter, part.replace("transformer", "conditioner")),)
    to_device(base.device, transformer, *conditioners, *([selector] if selector else []))
    add_student(recipe, transformer)
    denoiser = Denoiser(
        spec=spec, transformers=(transformer,), conditioners=conditioners, device=base.device, dtype=torch.float32
    )
    return AdapterModel(codec=base.codec(), denoiser=denoiser, frame_selector=selector)


def add_student(recipe: AdapterRecipe, transformer: MemoryWanTransformer) -> None:
    """Add the recipe's LoRA as `STUDENT` to a frozen transformer; a LoRA of its memory adapter stays active."""
    others = [*getattr(transformer, "peft_config", {})]
    frozen = [*transformer.parameters()]
    add_lora(transformer, **asdict(recipe.lora), name=STUDENT)
    set_weights_and_activate_adapters(transformer, [*others, STUDENT], [1.0] * (len(others) + 1))
    for parameter in frozen:
        parameter.requires_grad_(False)
    cast_training_params(transformer)  # as in `add_delta`


def add_delta(recipe: AdapterRecipe, transformer: MemoryWanTransformer) -> None:
    """Make the recipe's part of the transformer trainable."""
    if recipe.delta == "full":
        transformer.requires_grad_(True)
    elif recipe.delta == "lora":
        add_lora(transformer, **asdict(recipe.lora))
        # in float32, because peft adds a LoRA in the dtype of its layer, and bfloat16 would lose small updates
        cast_training_params(transformer)
