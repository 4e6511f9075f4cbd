"""The published Wan bases: rows of the catalog whose weights come from the hub. No torch here.

Sizes, steps, shifts, guidance and negative prompts are those of the Wan team's programs, with the source at each value;
"Wan2.1" and "Wan2.2" are its repositories. diffusers' configs of the same weights hold other shifts: its conversion
script writes 3.0 or 5.0 for all of them. `memory_gb` is counted from the configs: transformers, text encoder and image
encoder in bfloat16, VAE in float32.
"""

from __future__ import annotations

import math
from dataclasses import replace

from onestory_cli.memory.levels import FIRST_FRAME, REFERENCE
from onestory_cli.models.spec import LoraSpec, ModelFiles, ModelSpec

SCORER = "google/siglip2-base-patch16-224"
# Wan2.1 and Wan2.2 wan/configs/shared_config.py, sample_neg_prompt.
NEGATIVE = (
    "色调艳丽,过曝,静态,细节模糊不清,字幕,风格,作品,画作,画面,静止,整体发灰,最差质量,低质量,JPEG压缩残留,丑陋的,残缺的,多余的手指,"
    "画得不好的手部,画得不好的脸部,畸形的,毁容的,形态畸形的肢体,手指融合,静止不动的画面,杂乱的背景,三条腿,背景人很多,倒着走"
)
NEGATIVE_I2V = f"镜头晃动,{NEGATIVE}"  # "camera shake": Wan2.1 wan/configs/wan_i2v_14B.py

T2V_1_3B = ModelSpec(
    name="wan2.1-t2v-1.3b",
    files=ModelFiles(hub="Wan-AI/Wan2.1-T2V-1.3B-Diffusers"),
    licence="Apache-2.0",
    about="text to video; remembers nothing without an adapter",
    task="t2v",
    width=832,
    height=480,
    size_multiple=16,
    fps=16,
    frames=81,
    max_frames=81,
    steps=50,  # Wan2.1 generate.py
    guidance=6.0,  # Wan2.1 README.md, T2V-1.3B: --sample_guide_scale 6
    scheduler="unipc",
    shift=8.0,  # the same: --sample_shift 8 to 12
    memory_frames=0,
    budget=1.0,
    policy="none",
    expand_timesteps=False,
    negative=NEGATIVE,
    dtype="bfloat16",
    memory_gb=15,
)
T2V_14B = replace(
    T2V_1_3B,
    name="wan2.1-t2v-14b",
    files=ModelFiles(hub="Wan-AI/Wan2.1-T2V-14B-Diffusers"),
    guidance=5.0,  # Wan2.1 generate.py
    shift=5.0,  # Wan2.1 generate.py
    memory_gb=41,
)
I2V_480P = replace(
    T2V_14B,
    name="wan2.1-i2v-14b-480p",
    files=ModelFiles(hub="Wan-AI/Wan2.1-I2V-14B-480P-Diffusers"),
    about="picture to video; continues from the last frame of the previous shot",
    task="i2v",
    image_tokens=True,
    steps=40,  # Wan2.1 generate.py
    shift=3.0,  # Wan2.1 generate.py, at 480p
    negative=NEGATIVE_I2V,
    memory_frames=1,
    policy="last",
    levels=(FIRST_FRAME,),
    scorer=SCORER,
    memory_gb=46,
)
I2V_720P = replace(
    I2V_480P,
    name="wan2.1-i2v-14b-720p",
    files=ModelFiles(hub="Wan-AI/Wan2.1-I2V-14B-720P-Diffusers"),
    width=1280,
    height=720,
    shift=5.0,  # Wan2.1 generate.py, at 720p
)
TI2V_5B = replace(
    T2V_1_3B,
    name="wan2.2-ti2v-5b",
    files=ModelFiles(hub="Wan-AI/Wan2.2-TI2V-5B-Diffusers"),
    about="text or picture to video; continues from the last frame of the previous shot",
    task="ti2v",
    expand_timesteps=True,
    width=1280,
    height=704,
    size_multiple=32,
    fps=24,
    frames=121,
    max_frames=121,
    spatial_stride=16,
    latent_channels=48,
    guidance=5.0,  # Wan2.2 wan/configs/wan_ti2v_5B.py
    shift=5.0,  # the same
    memory_frames=1,
    policy="last",
    levels=(FIRST_FRAME,),
    scorer=SCORER,
    memory_gb=24,
)
T2V_A14B = replace(
    T2V_14B,
    name="wan2.2-t2v-a14b",
    files=ModelFiles(hub="Wan-AI/Wan2.2-T2V-A14B-Diffusers"),
    about="text to video, two experts; remembers nothing without an adapter",
    steps=40,  # this and the following: Wan2.2 wan/configs/wan_t2v_A14B.py
    guidance=4.0,
    guidance_2=3.0,
    boundary_ratio=0.875,
    shift=12.0,
    memory_gb=69,
)
I2V_A14B = replace(
    T2V_A14B,
    name="wan2.2-i2v-a14b",
    files=ModelFiles(hub="Wan-AI/Wan2.2-I2V-A14B-Diffusers"),
    about="picture to video, two experts; continues from the last frame of the previous shot",
    task="i2v",
    guidance=3.5,  # this and the following: Wan2.2 wan/configs/wan_i2v_A14B.py
    guidance_2=3.5,
    boundary_ratio=0.9,
    shift=3.0,  # Wan2.2 wan/image2video.py: 3.0 at 480p; the config's 5.0 is for 720p
    memory_frames=1,
    policy="last",
    levels=(FIRST_FRAME,),
    scorer=SCORER,
)
# StoryMem, wan/configs/wan_m2v_A14B.py and run_example.sh: its LoRA lets the base read keyframes of earlier shots.
# Rank-stabilized: alpha / sqrt(rank) with alpha = rank = 128.
_STORYMEM, _STORYMEM_SCALE = "Kevin-thu/StoryMem", math.sqrt(128)
STORYMEM = replace(
    I2V_A14B,
    name="storymem",
    files=ModelFiles(
        hub=I2V_A14B.files.hub,
        loras=tuple(
            LoraSpec(
                file="",
                weight=_STORYMEM_SCALE,
                expert=expert,
                hub=_STORYMEM,
                hub_file=f"Wan2.2-MI2V-A14B/backbone_{expert}_noise.safetensors",
            )
            for expert in ("high", "low")
        ),
    ),
    licence="S-Lab License 1.0, non-commercial: https://github.com/Kevin-thu/StoryMem/blob/main/LICENSE.md",
    about="Wan 2.2 I2V A14B with StoryMem's LoRA, two experts; remembers up to ten keyframes of earlier shots",
    task="m2v",
    shift=4.0,
    memory_frames=10,
    budget=10.0,
    policy="coverage",
    levels=(REFERENCE,),
    memory_gb=70,
)
VACE_1_3B = replace(
    T2V_1_3B,
    name="wan2.1-vace-1.3b",
    files=ModelFiles(hub="Wan-AI/Wan2.1-VACE-1.3B-diffusers"),
    about="text or picture to video; remembers through reference images, no training needed",
    task="vace",
    guidance=5.0,  # Wan2.1 generate.py
    shift=16.0,  # Wan2.1 generate.py, of all VACE tasks
    memory_frames=3,
    budget=3.0,
    policy="coverage",
    levels=(REFERENCE,),
    scorer=SCORER,
    memory_gb=17,
)
VACE_14B = replace(
    VACE_1_3B,
    name="wan2.1-vace-14b",
    files=ModelFiles(hub="Wan-AI/Wan2.1-VACE-14B-diffusers"),
    memory_gb=47,
)
# Both experts are VACE transformers. Numbers: VideoX-Fun examples/wan2.2_vace_fun/predict_s2v.py.
VACE_FUN_A14B = replace(
    VACE_14B,
    name="wan2.2-vace-fun-a14b",
    files=ModelFiles(hub="linoyts/Wan2.2-VACE-Fun-14B-diffusers"),
    about="text or picture to video, two experts; remembers through reference images, no training needed",
    steps=50,
    guidance=5.0,
    guidance_2=5.0,
    boundary_ratio=0.875,
    shift=12.0,
    memory_gb=82,
)

# The first two remember best without an adapter.
BASES: dict[str, ModelSpec] = {
    row.name: row
    for row in (
        VACE_1_3B,
        VACE_14B,
        VACE_FUN_A14B,
        T2V_1_3B,
        T2V_14B,
        I2V_480P,
        I2V_720P,
        TI2V_5B,
        T2V_A14B,
        I2V_A14B,
        STORYMEM,
    )
}
# Width of the transformers: attention heads times their size, from the published configs.
PUBLISHED_WIDTHS = {row.name: 5120 for row in BASES.values()} | {
    T2V_1_3B.name: 1536,
    VACE_1_3B.name: 1536,
    TI2V_5B.name: 3072,
}
