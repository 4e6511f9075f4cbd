"""Measure how much a film changes if its transformer is stored in fp8.

`python -m tests.benchmarks.fp8` generates films of the storyworld from its own weights, from a `fp8_scaled` file as
ComfyUI stores them, and from a file of plain fp8 without scales; captions, noise and everything else are the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from onestory_cli.evaluation.world import world_of
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.rollout import RolloutConfig, RolloutFilm, roll_out
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model
from onestory_cli.models.spec import ModelSpec
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import HELD_OUT
from onestory_cli.training.vae_objective import psnr

LARGEST = 448.0  # of float8_e4m3fn
SHOTS = 3


def scaled_fp8(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as a `fp8_scaled` file holds them: the matrices of blocks in fp8, with one scale each."""
    stored = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, value in weights.items():
        if not _in_fp8(name, value):
            stored[name] = value
            continue
        scale = value.float().abs().amax() / LARGEST
        stored[name] = (value.float() / scale).to(torch.float8_e4m3fn)
        stored[f"{name.removesuffix('.weight')}.scale_weight"] = scale
    return stored


def plain_fp8(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same matrices in fp8 without scales: values below 2^-9 become 0."""
    return {name: value.to(torch.float8_e4m3fn) if _in_fp8(name, value) else value for name, value in weights.items()}


def _in_fp8(name: str, value: Tensor) -> bool:
    return "blocks." in name and name.endswith(".weight") and value.ndim == 2


def films(spec: ModelSpec, stories: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents and pixels of all shots, shot by shot."""
    model, world = load_model(spec, "cpu"), world_of(spec)
    made = [make_story(HELD_OUT + number, world, shots=SHOTS) for number in range(stories)]
    scripts = [RolloutFilm(captions=[shot.caption for shot in story.shots]) for story in made]
    config = RolloutConfig(policy="adaptive", denoise=DenoiseConfig.of_model(spec, steps=spec.steps))
    latents = torch.stack(list(roll_out(model, scripts, config)))
    with torch.inference_mode():
        pixels = np.stack([[model.codec.decode(item) for item in shot] for shot in latents])
    return latents.numpy(), pixels


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """The error of latents as a share of their size."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def pixel_psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    """The PSNR of uint8 pixels, in dB."""
    return float(psnr(*(torch.from_numpy(pixels).double() / 127.5 - 1 for pixels in (found, wanted))))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fp8", description=__doc__)
    parser.add_argument("--stories", type=int, default=4)
    options = parser.parse_args(arguments)
    spec = find("storyworld")
    weights = load_file(next((Path(spec.files.base) / "transformer").glob("*.safetensors")))
    latents, pixels = films(spec, options.stories)
    lines = ["| weights | latents, relative error | PSNR of shot 1 | of later shots |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        for name, stored in (("fp8_scaled", scaled_fp8(weights)), ("fp8 without scales", plain_fp8(weights))):
            file = Path(folder) / f"{name}.safetensors"
            save_file({key: value.contiguous() for key, value in stored.items()}, file)
            others, pictures = films(spec.with_fields(transformer_file=str(file)), options.stories)
            error = relative_error(others, latents)
            first, later = (pixel_psnr(pictures[part], pixels[part]) for part in (slice(0, 1), slice(1, None)))
            lines.append(f"| {name} | {error:.3f} | {first:.1f} dB | {later:.1f} dB |")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
