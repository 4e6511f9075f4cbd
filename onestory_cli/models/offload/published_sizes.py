"""How many numbers the published bases hold, part by part, for those that are not on this machine. No torch here.

Counted from their configurations, as diffusers and transformers build the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

TEXT = {"text_encoder": 5_680_910_336}  # UMT5-XXL's encoder, of all bases
TEXT_AND_IMAGE = {**TEXT, "image_encoder": 630_766_080}  # and CLIP ViT-H


@dataclass(frozen=True, kw_only=True)
class ParameterCounts:
    """Numbers in each expert, the encoders and the VAE; `width` and `hints` as in `sizes.Parts`."""

    transformer: int
    width: int
    hints: int = 0
    encoders: Mapping[str, int] = field(default_factory=lambda: TEXT)
    vae: int = 126_892_531


_SMALL = ParameterCounts(transformer=1_418_996_800, width=1536)
_LARGE = ParameterCounts(transformer=14_288_491_584, width=5120)
_PICTURE = ParameterCounts(transformer=16_394_878_784, width=5120, encoders=TEXT_AND_IMAGE)

PUBLISHED: Mapping[str, ParameterCounts] = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": _SMALL,
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": _LARGE,
    "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers": _PICTURE,
    "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers": _PICTURE,
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers": replace(_SMALL, transformer=2_153_972_032, hints=15),
    "Wan-AI/Wan2.1-VACE-14B-diffusers": replace(_LARGE, transformer=17_337_592_896, hints=8),
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": ParameterCounts(transformer=4_999_787_712, width=3072, vae=704_688_668),
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers": _LARGE,
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": replace(_LARGE, transformer=14_288_901_184),
}
