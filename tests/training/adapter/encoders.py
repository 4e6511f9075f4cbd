"""Tiny image encoders of the real classes, in folders."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    BitImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
)

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
SIZES = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}


def write_dinov2(folder: Path) -> str:
    """A DINOv2 of width 16."""
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**SMALL)).save_pretrained(folder)
    BitImageProcessorPil(**SIZES).save_pretrained(folder)
    return str(folder)


def write_clip_encoder(folder: Path) -> str:
    """The vision model of a CLIP, with width 8."""
    torch.manual_seed(0)
    config = CLIPVisionConfig(**SMALL, intermediate_size=32, projection_dim=8)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    CLIPImageProcessorPil(**SIZES).save_pretrained(folder)
    return str(folder)
