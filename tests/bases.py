"""Tiny model folders of the real classes in the real layout, one per family of bases, with random weights.

`write_base(folder, family)` writes the same files as `save_pretrained` of the family's stock pipeline, and `scorer/`, a
tiny CLIP. A film of 64 x 64 pixels and 5 frames renders in a second; the width is 24.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
    WanVACETransformer3DModel,
)
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from onestory_cli.models.catalog import CARD
from onestory_cli.storyworld.vocabulary import WORDS
from onestory_cli.training.build import word_tokenizer
from tests.shared import build_once

FAMILIES = ("t2v", "i2v", "vace", "ti2v", "t2v-a14b", "i2v-a14b", "vace-a14b")
SMALL = {"width": 64, "height": 64, "frames": 5, "max_frames": 17, "steps": 2, "fps": 8, "negative": ""}
TEXT, VISION = 16, 20  # widths


def write_base(folder: Path, family: str, *, seed: int = 0, card: dict[str, Any] | None = None) -> Path:
    """Write the folder of a family. `card` holds fields of its onestory.json (default: small sizes); {} writes none."""
    torch.manual_seed(seed)
    two = family.endswith("-a14b")
    task = family.removesuffix("-a14b")
    channels = 48 if task == "ti2v" else 16
    index: dict[str, Any] = {
        "_class_name": {"i2v": "WanImageToVideoPipeline", "vace": "WanVACEPipeline"}.get(task, "WanPipeline"),
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
    }
    for number in range(1, 3 if two else 2):
        name = "transformer" if number == 1 else "transformer_2"
        _transformer(task, channels, image=task == "i2v" and not two).save_pretrained(folder / name)
        index[name] = ["diffusers", "WanVACETransformer3DModel" if task == "vace" else "WanTransformer3DModel"]
    if two:
        index["boundary_ratio"] = 0.9 if task == "i2v" else 0.875
    index |= {"expand_timesteps": True} if task == "ti2v" else {}
    _vae(channels, wide=task == "ti2v").save_pretrained(folder / "vae")
    _text(folder)
    if task == "ti2v":
        UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ).save_pretrained(folder / "scheduler")
    else:
        FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
        index["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
    if task == "i2v" and not two:
        _image_encoder(folder)
        index["image_encoder"] = ["transformers", "CLIPVisionModel"]
        index["image_processor"] = ["transformers", "CLIPImageProcessor"]
    write_scorer(folder / "scorer")
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    card = {"base": ".", **SMALL} if card is None else card
    if card:
        (folder / CARD).write_text(json.dumps(card, indent=2))
    return folder


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The tiny folder of a family. Read-only: it is shared by all workers."""
    return lambda family: build_once(tmp_path_factory, f"base-{family}", lambda folder: write_base(folder, family))


def _transformer(task: str, channels: int, *, image: bool) -> nn.Module:
    settings: dict[str, Any] = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 36 if task == "i2v" else channels,
        "out_channels": channels,
        "text_dim": TEXT,
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
        "rope_max_seq_len": 64,
    }
    if image:
        settings |= {"image_dim": VISION, "added_kv_proj_dim": 24}
    kind = WanTransformer3DModel
    if task == "vace":
        kind, settings = WanVACETransformer3DModel, {**settings, "vace_layers": [0, 1], "vace_in_channels": 96}
    model = kind(**settings)
    nn.init.normal_(model.proj_out.weight, std=0.2)
    for block in getattr(model, "vace_blocks", ()):
        nn.init.normal_(block.proj_out.weight, std=0.2)
    return model


def _vae(channels: int, *, wide: bool) -> AutoencoderKLWan:
    """8x in space and 4x in time, as Wan 2.1; `wide`: 16x by patches of 2, as Wan 2.2 TI2V."""
    patches = {"patch_size": 2, "in_channels": 12, "out_channels": 12, "is_residual": True} if wide else {}
    return AutoencoderKLWan(
        base_dim=4,
        z_dim=channels,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1] * channels,
        latents_std=[0.5] * channels,
        scale_factor_spatial=16 if wide else 8,
        scale_factor_temporal=4,
        **patches,
    )


def _text(folder: Path) -> None:
    tokenizer = word_tokenizer(WORDS, length=10**6)
    tokenizer.save_pretrained(folder / "tokenizer")
    config = UMT5Config(
        vocab_size=len(tokenizer), d_model=TEXT, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0
    )
    UMT5EncoderModel(config).eval().save_pretrained(folder / "text_encoder")


def _image_encoder(folder: Path) -> None:
    config = CLIPVisionConfig(
        hidden_size=VISION,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=2,
    )  # 256 patches and the class token: 257 tokens, as in the real encoder
    CLIPVisionModel(config).save_pretrained(folder / "image_encoder")
    _processor().save_pretrained(folder / "image_processor")


def _processor() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def write_scorer(folder: Path) -> Path:
    """A tiny CLIP with its tokenizer and image processor."""
    tokenizer = word_tokenizer(WORDS, length=77)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(vocab_size=len(tokenizer), eos_token_id=2, pad_token_id=0, bos_token_id=1, **shape)
    vision = CLIPVisionConfig(image_size=32, patch_size=8, **shape)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _processor().save_pretrained(folder)
    return folder
