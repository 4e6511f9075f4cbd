"""Presets: published LoRA files with the sampling that they were trained for. `preset:` of a profile names one.

Only weights that this package can sample correctly are listed. AnyFlow has another transformer
(FAR_Wan_Transformer3DModel), and FastWan 2.1 was trained with sparse attention and has weights for it. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onestory_cli.models.bases import BASES, I2V_480P, I2V_720P, I2V_A14B, T2V_14B, T2V_A14B, TI2V_5B
from onestory_cli.models.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class HubLora:
    """A LoRA file in a repository of the hub, for the high-noise expert, the low-noise expert, or both."""

    hub: str
    file: str
    expert: str = "both"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """LoRA files and their sampling; `guidance` is that of all experts, `shift` the flow shift of the sigmas."""

    loras: tuple[HubLora, ...]
    licence: str
    steps: int
    guidance: float
    scheduler: str
    shift: float


def _four_steps(*loras: HubLora) -> Preset:
    """Timesteps 1000, 750, 500, 250 with a shift of 5 and no guidance: lightx2v configs/distill, denoising_step_list
    and sample_shift. Two of the four are above the boundary of both A14B models."""
    return Preset(loras=loras, licence="Apache-2.0", steps=4, guidance=1.0, scheduler="euler", shift=5.0)


def _experts(hub: str, folder: str) -> tuple[HubLora, HubLora]:
    high, low = (HubLora(hub=hub, file=f"{folder}/{name}_noise_model.safetensors", expert=name) for name in _NOISE)
    return high, low


# FastVideo: FastWan2_2_TI2V_5B_Config, and DmdDenoisingStage, which shifts by 8 and not by the 5 of the config. The
# LoRA is, by its name, extracted from FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers, whose licence is given here.
_FASTWAN = Preset(
    loras=(
        HubLora(hub="Kijai/WanVideo_comfy", file="FastWan/Wan2_2_5B_FastWanFullAttn_lora_rank_128_bf16.safetensors"),
    ),
    licence="Apache-2.0",
    steps=3,
    guidance=1.0,
    scheduler="dmd",
    shift=8.0,
)
_NOISE = ("high", "low")
_WAN_2_1, _WAN_2_2 = "lightx2v/Wan2.1-Distill-Loras", "lightx2v/Wan2.2-Lightning"
_I2V = _four_steps(HubLora(hub=_WAN_2_1, file="wan2.1_i2v_lora_rank64_lightx2v_4step.safetensors"))

# Complete models that already contain the training of a preset.
_MERGED = {"FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers"}

# preset -> catalog name of the base that it was trained for -> its files
PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "lightx2v-4step": {
        T2V_14B.name: _four_steps(HubLora(hub=_WAN_2_1, file="wan2.1_t2v_14b_lora_rank64_lightx2v_4step.safetensors")),
        I2V_480P.name: _I2V,
        I2V_720P.name: _I2V,
        T2V_A14B.name: _four_steps(*_experts(_WAN_2_2, "Wan2.2-T2V-A14B-4steps-lora-rank64-Seko-V1.1")),
        I2V_A14B.name: _four_steps(*_experts(_WAN_2_2, "Wan2.2-I2V-A14B-4steps-lora-rank64-Seko-V1")),
    },
    "fastwan": {TI2V_5B.name: _FASTWAN},
}


def preset_for(name: str, spec: ModelSpec) -> Preset | None:
    """The files of a preset for a model; None if the preset was not trained for it.

    A model that is not of the catalog has the same files as the base with its task, experts and latent channels.
    """
    rows = PRESETS[name]
    if spec.files.hub in _MERGED:
        return None
    if spec.name in BASES:
        return rows.get(spec.name)
    known = next((row.name for row in BASES.values() if row.files.hub == spec.files.hub), None)
    if known is not None:
        return rows.get(known)
    return next((rows[name] for name in rows if _kind(BASES[name]) == _kind(spec)), None)


def _kind(spec: ModelSpec) -> tuple[str, int, int]:
    return spec.task, spec.experts, spec.latent_channels
