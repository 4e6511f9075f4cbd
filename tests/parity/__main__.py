"""Print the largest difference between our latents and those of the reference, for each family of bases.

`python -m tests.parity` renders one shot of each family and task on tiny random models, in float32 on the CPU,
and the same shot with diffusers' pipeline from the same weights, noise and inputs. StoryMem is compared with the
latents that its own sampler computed (tests/parity/storymem.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanVACEPipeline
from PIL import Image
from torch import Tensor

from onestory_cli.generation.shot import generate_shot
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model
from onestory_cli.models.model import LoadedModel
from tests.bases import write_base
from tests.generation.test_conditions import PICTURE, bank_of, first_frame_inputs, job, pipeline, stock
from tests.generation.test_storymem import compare, write_storymem

SOURCES = ("opening", "city")
TEXT_FAMILIES = ("t2v", "t2v-a14b", "ti2v", "vace", "vace-a14b")
IMAGE_FAMILIES = ("i2v", "i2v-a14b", "ti2v")
VACE_FAMILIES = ("vace", "vace-a14b")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest difference of one shot's latents from the reference, and the largest value of the reference."""

    family: str
    task: str
    error: float
    largest: float


def differences(folder: Path) -> Iterator[Difference]:
    """One comparison per family and task."""
    for name in ("t2v", "t2v-a14b", "ti2v", "i2v", "i2v-a14b", "vace", "vace-a14b"):
        model = load_model(find(str(write_base(folder / name, name))), "cpu")
        if name in TEXT_FAMILIES:
            yield _difference(name, "text", *text_to_video(model, vace=name in VACE_FAMILIES))
        if name in IMAGE_FAMILIES:
            yield _difference(name, "first frame", *image_to_video(model))
        if name in VACE_FAMILIES:
            yield _difference(name, "three remembered frames", *references(model, first_frame=False))
            yield _difference(name, "the same and a first frame", *references(model, first_frame=True))
    storymem = write_storymem(folder / "storymem", folder / "i2v-a14b")
    for first_frame, task in ((False, "two keyframes"), (True, "the same and a first frame")):
        yield _difference("storymem", task, *compare(storymem, folder, first_frame=first_frame))


def _difference(family: str, task: str, made: Tensor, wanted: Tensor) -> Difference:
    error, largest = float((made - wanted).abs().max()), float(wanted.abs().max())
    return Difference(family=family, task=task, error=error, largest=largest)


def text_to_video(model: LoadedModel, *, vace: bool) -> tuple[Tensor, Tensor]:
    made = job(model)
    more = {} if vace else {"expand_timesteps": model.spec.expand_timesteps}
    pipe = pipeline(WanVACEPipeline if vace else WanPipeline, model, made, **more)
    return torch.from_numpy(generate_shot(model, made, bank_of(model)).latents_CTHW), stock(pipe, model, made)


def image_to_video(model: LoadedModel) -> tuple[Tensor, Tensor]:
    made = job(model)
    more = {
        "expand_timesteps": model.spec.expand_timesteps,
        "image_encoder": model.image_encoder and model.image_encoder.encoder,
        "image_processor": model.image_encoder and model.image_encoder.processor,
    }
    pipe = pipeline(WanImageToVideoPipeline, model, made, **more)
    found = generate_shot(model, made, bank_of(model), image=PICTURE)
    return torch.from_numpy(found.latents_CTHW), stock(pipe, model, made, image=Image.fromarray(PICTURE))


def references(model: LoadedModel, *, first_frame: bool) -> tuple[Tensor, Tensor]:
    """Compare with the frames that VACE remembers as reference images."""
    bank, made = bank_of(model, *SOURCES), job(model, SOURCES, frames=9)
    found = generate_shot(model, made, bank, image=PICTURE if first_frame else None)
    with torch.inference_mode():
        pictures = {source: model.codec.frame_pictures(bank.latents(source)) for source in SOURCES}
    inputs: dict[str, Any] = {
        "reference_images": [[Image.fromarray(pictures[item.source][item.index]) for item in found.selection]]
    }
    if first_frame:
        inputs |= first_frame_inputs(PICTURE)
    pipe = pipeline(WanVACEPipeline, model, made)
    count = len(found.selection)
    return torch.from_numpy(found.latents_CTHW), stock(pipe, model, made, references=count, **inputs)[:, count:]


def main() -> None:
    sys.stdout.write("| family | given | max error | largest latent |\n|---|---|---:|---:|\n")
    with tempfile.TemporaryDirectory() as folder:
        for item in differences(Path(folder)):
            sys.stdout.write(f"| {item.family} | {item.task} | {item.error:.1e} | {item.largest:.1f} |\n")


if __name__ == "__main__":
    main()
