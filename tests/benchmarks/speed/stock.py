"""Render a film with stock diffusers: one call of the pipeline per shot, then the clip. No memory.

Shape letters: P pixel frames, H W.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from onestory_cli.generation.denoise import prepare_latents
from onestory_cli.media.video import write_clip
from onestory_cli.models.encoders import TEXT_TOKENS
from onestory_cli.models.load import compute_dtype, pick_device, silence_library_logging
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import Plan, ShotJob


def load_stock(spec: ModelSpec, device: str) -> Any:
    """The stock pipeline of the base's folder."""
    silence_library_logging()
    target = pick_device(device)
    pipeline = DiffusionPipeline.from_pretrained(spec.files.base, torch_dtype=compute_dtype(spec, target))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(target)


def make_stock(pipeline: Any, plan: Plan, folder: Path, shot_done: Callable[[], None]) -> None:
    """Render all shots of a plan without pictures to clips with our encoder; call `shot_done` after each."""
    assert not plan.images, "a film without pictures"
    for job in plan.jobs:
        pixels_PHWC = stock_shot(pipeline, plan.model, job)
        output = plan.output
        write_clip(
            folder / f"{job.shot}.mp4",
            pixels_PHWC,
            fps=job.fps,
            scale=output.scale or 1,
            filter=output.filter,
            crf=output.crf,
        )
        shot_done()


@torch.inference_mode()
def stock_shot(pipeline: Any, spec: ModelSpec, job: ShotJob) -> Any:
    """(P, H, W, 3) uint8: one call of the pipeline, with the noise of our shot."""
    pipeline.scheduler = _scheduler(job)
    rows, columns = spec.latent_size(job.width, job.height)
    shape = (1, spec.latent_channels, spec.latent_frames(job.frames), rows, columns)
    frames = pipeline(
        prompt=job.caption,
        negative_prompt=job.negative,
        width=job.width,
        height=job.height,
        num_frames=job.frames,
        num_inference_steps=job.steps,
        guidance_scale=job.guidance,
        latents=prepare_latents(shape, seed=job.seed),
        max_sequence_length=min(pipeline.tokenizer.model_max_length, TEXT_TOKENS),
        output_type="np",
    ).frames[0]
    return (frames * 255).round().astype("uint8")


def _scheduler(job: ShotJob) -> Any:
    if job.scheduler == "unipc":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=job.shift)
    return FlowMatchEulerDiscreteScheduler(shift=job.shift)
