"""Build an untrained model from a recipe, and write a trained one as a model folder.

Every part of the base is a stock class of diffusers or transformers at a small size.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from onestory_cli.models.catalog import CARD, ModelSpec, find
from onestory_cli.models.encoders import CaptionEncoder, VaeCodec
from onestory_cli.models.load import load_model, silence_library_logging
from onestory_cli.models.model import Denoiser, LoadedModel, TextSelector
from onestory_cli.models.spec import ModelFiles
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.storyworld.vocabulary import words_of
from onestory_cli.training.data import known_phrases, known_words
from onestory_cli.training.encoder_growth import grow_vocabulary
from onestory_cli.training.recipe import Recipe, world_config
from onestory_cli.training.vae_growth import enlarge_vae

ENLARGED = ("width", "height", "size_multiple", "spatial_stride")  # facts that grow with the pictures
STOCK_TRANSFORMER = "WanTransformer3DModel"
PAD, UNKNOWN, END = "<pad>", "<unk>", "</s>"


def build_model(recipe: Recipe, words: Sequence[str], known: Sequence[str] | None = None) -> LoadedModel:
    """All parts with random weights from the recipe's seed.

    Each of `words` gets a token; `known` (default: all) are the words that the model's card lists.
    """
    silence_library_logging()
    torch.manual_seed(recipe.seed)
    size = recipe.model
    tokenizer = word_tokenizer(words, length=size.text.tokens)
    transformer = MemoryWanTransformer(
        num_attention_heads=size.transformer.heads,
        attention_head_dim=size.transformer.width // size.transformer.heads,
        in_channels=size.vae.latent_channels,
        out_channels=size.vae.latent_channels,
        text_dim=size.text.width,
        freq_dim=256,
        ffn_dim=size.transformer.width * size.transformer.feed_forward,
        num_layers=size.transformer.layers,
        rope_max_seq_len=128,
    )
    nn.init.zeros_(transformer.proj_out.weight)
    channels = size.vae.latent_channels
    conditioner = AdaptiveConditioner(
        ConditionerConfig(latent_channels=channels, width=size.transformer.width, share_finest=size.memory.share_finest)
    )
    conditioner.warm_start(transformer.patch_embedding)
    selector = FrameSelector(
        SelectorConfig(
            latent_channels=channels,
            text_dim=size.text.width,
            width=size.memory.selector_width,
            queries=size.memory.queries,
        )
    )
    spec = model_spec(recipe, words if known is None else known, folder=Path(recipe.name))
    codec = VaeCodec(vae=build_vae(recipe))
    text = CaptionEncoder(encoder=build_text_encoder(recipe, len(tokenizer)), tokenizer=tokenizer)
    return LoadedModel(
        text=text,
        codec=codec,
        selection=TextSelector(spec=spec, text=text, selector=selector),
        denoiser=Denoiser(spec=spec, transformers=(transformer,), conditioners=(conditioner,)),
    )


def continue_model(recipe: Recipe, relative_to: Path) -> LoadedModel:
    """The model that `start` names, ready to train, with the name and the sampling defaults of the recipe.

    Raises:
        OnestoryError: as `find` and `load_model`; T601 for a model without a memory adapter, or pictures of another
            size.
    """
    spec = find(recipe.start, relative_to=relative_to)
    if spec.remembers != "context" or spec.experts > 1:
        reason = f'start: "{recipe.start}" has no memory adapter, or more than one expert'
        raise OnestoryError("T601", reason, help="name a model that `onestory train` wrote")
    factor, rest = divmod(recipe.world.size, spec.width)
    if rest or spec.width != spec.height:
        reason = f"world: size {recipe.world.size} is not a multiple of the {spec.width} of {recipe.start}"
        raise OnestoryError("T601", reason, help=f"use {spec.width} or a multiple")
    model = load_model(spec, "cpu")
    if factor > 1:
        model.codec = VaeCodec(vae=enlarge_vae(model.codec.vae, factor))
        spec = replace(spec, **{name: getattr(spec, name) * factor for name in ENLARGED})
    spec = _with_words(spec, model.text, recipe)
    for module in model.modules:
        module.requires_grad_(True)
    kinds = {stage.kind for stage in recipe.stages}
    distilled = "distil" in kinds or (spec.distilled and kinds == {"decoder"})
    isolated = spec.isolated_context or recipe.model.memory.isolated_context
    spec = replace(spec, name=recipe.model.name, distilled=distilled, isolated_context=isolated)
    model.denoiser = replace(model.denoiser, spec=replace(spec, **asdict(recipe.model.sampling)))
    return model


def _with_words(spec: ModelSpec, text: CaptionEncoder, recipe: Recipe) -> ModelSpec:
    """Give tokens to the words of the recipe's world that a tokenizer lacks; the card lists the words of this world."""
    known, world = text.tokenizer.get_vocab(), world_config(recipe.world)
    new = [word for word in words_of(world.version, kites=world.kites) if word not in known]
    if new:
        old = sorted(known, key=known.__getitem__)
        text.tokenizer = word_tokenizer([*old, *new], length=text.tokenizer.model_max_length)
        grow_vocabulary(text.encoder, len(text.tokenizer), seed=recipe.seed)
    return replace(spec, words=known_words(world), phrases=known_phrases(world))


def build_vae(recipe: Recipe) -> AutoencoderKLWan:
    """Return an untrained VAE: its patch and two halvings in space, 4x in time. Training sets its statistics."""
    size = recipe.model.vae
    return AutoencoderKLWan(
        base_dim=size.base_dim,
        z_dim=size.latent_channels,
        dim_mult=list(size.dim_mult),
        num_res_blocks=size.residual_blocks,
        temperal_downsample=[True] * (len(size.dim_mult) - 1),
        in_channels=3 * size.patch_size**2,
        out_channels=3 * size.patch_size**2,
        patch_size=size.patch_size,
        is_residual=size.residual,
        scale_factor_spatial=size.stride,
        scale_factor_temporal=4,
        latents_mean=[0.0] * size.latent_channels,
        latents_std=[1.0] * size.latent_channels,
    )


def build_text_encoder(recipe: Recipe, vocabulary: int) -> UMT5EncoderModel:
    """A UMT5 encoder for `vocabulary` tokens."""
    size = recipe.model.text
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=size.width,
        d_kv=size.width // size.heads,
        d_ff=size.width * 3,
        num_layers=size.layers,
        num_heads=size.heads,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=2,
    )
    return UMT5EncoderModel(config)


def word_tokenizer(words: Sequence[str], *, length: int) -> PreTrainedTokenizerFast:
    """One token per word or punctuation mark, case-folded; `length` tokens at most."""
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys([PAD, UNKNOWN, END, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[a-z0-9]+(-[a-z0-9]+)*"), behavior="isolated"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, vocabulary[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END, model_max_length=length
    )


def model_spec(recipe: Recipe, words: Sequence[str], *, folder: Path) -> ModelSpec:
    """The card of the model that a recipe trains."""
    size, world = recipe.model, recipe.world
    return ModelSpec(
        name=size.name,
        files=ModelFiles(base=str(folder), adapter=str(folder / "adapter")),
        licence="Apache-2.0",
        about="small procedural cartoon world, runs on any processor",
        width=world.size,
        height=world.size,
        size_multiple=2 * size.vae.stride,
        spatial_stride=size.vae.stride,
        fps=world.fps,
        frames=world.frames,
        max_frames=world.frames,
        latent_channels=size.vae.latent_channels,
        steps=size.sampling.steps,
        guidance=size.sampling.guidance,
        memory_guidance=size.sampling.memory_guidance,
        scheduler=size.sampling.scheduler,
        shift=size.sampling.shift,
        memory_frames=size.memory.frames,
        budget=size.memory.budget,
        isolated_context=size.memory.isolated_context,
        policy="coverage",  # a character that was seen once gets 16 of 62 tokens; by relevance alone it gets 4
        scale=size.sampling.scale,
        words=tuple(words),
        phrases=known_phrases(world_config(world)),
    )


def save_model(model: LoadedModel, folder: Path) -> None:
    """Write a model folder: the base in diffusers' layout, the adapter, and the card. Weights are stored in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"transformer": model.transformer, "vae": model.codec.vae, "text_encoder": model.text.encoder}
    for name, module in parts.items():
        # a copy: conversion to fp16 rounds weights and rotary tables irreversibly
        halved = copy.deepcopy(module).to(torch.float16)
        if name == "text_encoder":
            _drop_last_bits(halved)
        halved.save_pretrained(folder / name)
        changes = {"_class_name": STOCK_TRANSFORMER} if name == "transformer" else {}
        _rewrite_config(folder / name / "config.json", changes)
    # the padding of the last call would be stored, too, and change the folder's fingerprint
    model.text.tokenizer.backend_tokenizer.no_truncation()
    model.text.tokenizer.backend_tokenizer.no_padding()
    model.text.tokenizer.save_pretrained(folder / "tokenizer")
    FlowMatchEulerDiscreteScheduler(shift=model.spec.shift).save_pretrained(folder / "scheduler")
    _save_adapter(model, folder / "adapter")
    _write_json(folder / "model_index.json", _pipeline_index())
    card = {name: value for name, value in model.spec.facts.items() if name != "name"}
    _write_json(folder / CARD, card)  # written last: a folder without a card is not a model


@torch.no_grad()
def _drop_last_bits(halved: nn.Module) -> None:
    """Round fp16 weights to 8 of their 10 mantissa bits: zero bits compress well in a wheel."""
    for weight in halved.parameters():
        bits = weight.view(torch.int16)
        bits.add_(2).bitwise_and_(-4)


def _save_adapter(model: LoadedModel, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, nn.Module] = {"selector": model.selector, "conditioner": model.conditioner}
    weights = {
        f"{name}.{key}": value.detach().to(torch.float16).contiguous()
        for name, module in parts.items()
        for key, value in module.state_dict().items()
    }
    save_file(weights, folder / ADAPTER_WEIGHTS)
    _write_json(
        folder / ADAPTER_CONFIG, {"selector": model.selector.settings, "conditioner": model.conditioner.settings}
    )


def _pipeline_index() -> dict[str, object]:
    return {
        "_class_name": "WanPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", STOCK_TRANSFORMER],
        "vae": ["diffusers", "AutoencoderKLWan"],
        "expand_timesteps": True,
    }


def _rewrite_config(path: Path, changes: dict[str, str]) -> None:
    """Change values of a config, and remove the path of the folder that the weights were loaded from.

    The stock class name of a transformer lets diffusers load the folder without this package.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    _write_json(path, {**config, **changes})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
