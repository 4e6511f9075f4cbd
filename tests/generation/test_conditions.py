"""Every family of bases gives the same latents as diffusers' pipeline from the same inputs.

On tiny random models of the real classes, in float32 on the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanVACEPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from onestory_cli.generation.shot import generate_shot, latent_shape, shot_noise
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import find
from onestory_cli.models.character_crops import CharacterCropper, on_white
from onestory_cli.models.detection import Box
from onestory_cli.models.load import load_model
from onestory_cli.models.model import LoadedModel
from onestory_cli.planning.jobs import CharacterCrop, MemoryJob, ShotJob
from tests.bases import FAMILIES
from tests.generation.test_denoise_state import Notebook
from tests.tiny import job_of

Family = Callable[[str], LoadedModel]
PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def family(base_folder: Callable[[str], Path]) -> Family:
    """The tiny model of a family, loaded once."""
    loaded: dict[str, LoadedModel] = {}

    def model(name: str) -> LoadedModel:
        if name not in loaded:
            loaded[name] = load_model(find(str(base_folder(name))), "cpu")
        return loaded[name]

    return model


def job(model: LoadedModel, sources: tuple[str, ...] = (), **fields: Any) -> ShotJob:
    spec = model.spec
    memory = MemoryJob(frames=spec.memory_frames, budget=spec.budget, policy=spec.policy, sources=sources)
    settings = {"scheduler": "unipc", "steps": 4, "guidance": 4.0, "guidance_2": spec.guidance_2, "memory": memory}
    return job_of(spec, **{**settings, **fields})


def bank_of(model: LoadedModel, *sources: str) -> MemoryBank:
    """Different latents (C, 2, H, W) for each source."""
    rows, columns = model.spec.latent_size(64, 64)
    bank = MemoryBank(channels=model.spec.latent_channels, height=rows, width=columns)
    for number, source in enumerate(sources):
        noise = torch.Generator().manual_seed(number)
        bank.add(source, torch.randn(model.spec.latent_channels, 2, rows, columns, generator=noise))
    return bank


def pipeline(kind: Any, model: LoadedModel, made: ShotJob, **more: Any) -> Any:
    """The stock pipeline with the same modules."""
    pipe = kind(
        tokenizer=model.text.tokenizer,
        text_encoder=model.text.encoder,
        vae=model.codec.vae,
        scheduler=model.denoiser.scheduler("unipc", made.steps, made.shift),
        transformer=model.transformer,
        transformer_2=model.denoiser.transformers[1] if model.spec.experts > 1 else None,
        boundary_ratio=model.spec.boundary_ratio,
        **more,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stock(pipe: Any, model: LoadedModel, made: ShotJob, *, references: int = 0, **inputs: Any) -> Tensor:
    """The latents (C, T, H, W) of the pipeline."""
    shape = latent_shape(model.spec, made)
    with torch.inference_mode():
        return pipe(
            prompt_embeds=model.text.encode([made.caption]),
            negative_prompt_embeds=model.text.encode([made.negative]),
            width=made.width,
            height=made.height,
            num_frames=made.frames,
            num_inference_steps=made.steps,
            guidance_scale=made.guidance,
            guidance_scale_2=made.guidance_2,
            latents=shot_noise(shape, seed=made.seed, references=references),
            output_type="latent",
            return_dict=False,
            **inputs,
        )[0][0]


def first_frame_inputs(picture: NDArray[np.uint8]) -> dict[str, Tensor]:
    """The `video` (1, 9, 3, H, W) and `mask` that let diffusers' VACE pipeline start from a picture.

    The other frames are exactly grey, as in Wan's own program; no picture of bytes has that grey.
    """
    video = torch.full((9, *picture.shape), 0.5)
    video[0] = torch.from_numpy(picture) / 255
    mask = (torch.arange(9) > 0).float().view(9, 1, 1, 1).expand_as(video)
    return {"video": video.permute(0, 3, 1, 2)[None], "mask": mask.permute(0, 3, 1, 2)[None]}


def assert_same(made: NDArray[np.float32], wanted: Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(made), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["t2v", "t2v-a14b", "ti2v"])
def test_text_to_video(family: Family, name: str) -> None:
    model = family(name)
    made = job(model)
    more = {"expand_timesteps": model.spec.expand_timesteps}
    result = generate_shot(model, made, bank_of(model))
    assert_same(result.latents_CTHW, stock(pipeline(WanPipeline, model, made, **more), model, made))


@pytest.mark.parametrize("name", ["i2v", "i2v-a14b", "ti2v"])
def test_image_to_video(family: Family, name: str) -> None:
    model = family(name)
    made = job(model)
    more = {
        "expand_timesteps": model.spec.expand_timesteps,
        "image_encoder": model.image_encoder and model.image_encoder.encoder,
        "image_processor": model.image_encoder and model.image_encoder.processor,
    }
    result = generate_shot(model, made, bank_of(model), image=PICTURE)
    pipe = pipeline(WanImageToVideoPipeline, model, made, **more)
    assert_same(result.latents_CTHW, stock(pipe, model, made, image=Image.fromarray(PICTURE)))


@pytest.mark.parametrize("name", ["i2v", "i2v-a14b", "ti2v"])
def test_policy_last_is_image_to_video_from_the_last_frame(family: Family, name: str) -> None:
    model = family(name)
    bank = bank_of(model, "opening", "city")
    continued = generate_shot(model, job(model, ("opening", "city")), bank)
    with torch.inference_mode():
        last = model.codec.decode(bank.latents("city"))[-1]
    given = generate_shot(model, job(model), bank_of(model), image=last)
    assert [(frame.source, frame.index) for frame in continued.selection] == [("city", 1)]
    assert continued.context_tokens == 0
    np.testing.assert_array_equal(continued.latents_CTHW, given.latents_CTHW)
    assert (
        np.abs(
            continued.latents_CTHW - generate_shot(model, job(model), bank_of(model), image=PICTURE).latents_CTHW
        ).max()
        > 1e-3
    )


@pytest.mark.parametrize("name", ["i2v", "ti2v", "vace"])
@pytest.mark.slow
def test_the_latest_shot_is_not_decoded_twice(family: Family, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, decoded = family(name), list[int]()
    opening = generate_shot(model, job(model), bank_of(model), image=PICTURE)
    assert opening.decode().shape[0] == 5
    bank = bank_of(model, "opening")
    bank.add("opening", torch.from_numpy(opening.latents_CTHW))
    decode = model.codec.decode

    def counted(latents: Tensor, *, keep_pictures: bool = False) -> NDArray[np.uint8]:
        decoded.append(latents.shape[1])
        return decode(latents, keep_pictures=keep_pictures)

    monkeypatch.setattr(model.codec, "decode", counted)
    known = generate_shot(model, job(model, ("opening",)), bank)
    assert decoded == []
    model.codec._last_pictures = None
    assert np.array_equal(generate_shot(model, job(model, ("opening",)), bank).latents_CTHW, known.latents_CTHW)
    assert decoded == [2]


@pytest.mark.parametrize("name", ["vace", pytest.param("vace-a14b", marks=pytest.mark.slow)])
@pytest.mark.parametrize("image", [None, PICTURE], ids=["text", "picture"])
def test_vace_reads_the_selected_frames_as_references(
    family: Family, name: str, image: NDArray[np.uint8] | None
) -> None:
    model = family(name)
    bank = bank_of(model, "opening", "city")
    made = job(model, ("opening", "city"), frames=9)  # the pipeline cannot take more references than latent frames
    result = generate_shot(model, made, bank, image=image)
    with torch.inference_mode():
        pictures = {source: model.codec.frame_pictures(bank.latents(source)) for source in ("opening", "city")}
    references = [Image.fromarray(pictures[frame.source][frame.index]) for frame in result.selection]
    assert len(references) == 3
    inputs: dict[str, Any] = {"reference_images": [references]}
    if image is not None:
        inputs |= first_frame_inputs(image)
    pipe = pipeline(WanVACEPipeline, model, made)
    wanted = stock(pipe, model, made, references=3, **inputs)[:, 3:]  # its latents include the references
    assert_same(result.latents_CTHW, wanted)


def test_vace_reads_cropped_characters_as_references(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the cropped pictures were given as references; frames of other sources stay whole."""
    model = family("vace")
    bank, sources = bank_of(model, "opening", "city"), ("opening", "city")
    crop = CharacterCrop(detector="any", weights="", looks=("a fox",), sources=("city",))
    made = job(model, sources, frames=9)
    made = replace(made, memory=replace(made.memory, crop=crop))
    body = Box(left=8, top=8, right=40, bottom=56, score=1.0)
    detector = SimpleNamespace(find=lambda frames, looks: [[body]])
    monkeypatch.setattr(model, "cropper", CharacterCropper(lambda name: detector))  # type: ignore[arg-type, return-value]
    result = generate_shot(model, made, bank)
    levels = {frame.source: frame.level for frame in result.selection}
    assert levels == {"opening": "reference", "city": "character"}
    references = []
    for frame in result.selection:
        with torch.inference_mode():
            pixels = model.codec.frame_pictures(bank.latents(frame.source))[frame.index]
        references.append(Image.fromarray(on_white(pixels, [body]) if frame.source == "city" else pixels))
    wanted = stock(pipeline(WanVACEPipeline, model, made), model, made, references=3, reference_images=[references])
    assert_same(result.latents_CTHW, wanted[:, 3:])
    whole = generate_shot(model, job(model, sources, frames=9), bank).latents_CTHW
    assert np.abs(result.latents_CTHW - whole).max() > 1e-3


def test_vace_without_memory_is_text_to_video(family: Family) -> None:
    model = family("vace")
    made = job(model)
    wanted = stock(pipeline(WanVACEPipeline, model, made), model, made)
    assert_same(generate_shot(model, made, bank_of(model)).latents_CTHW, wanted)


def test_references_change_the_shot_but_not_its_noise(family: Family) -> None:
    model = family("vace")
    shape = latent_shape(model.spec, job(model))
    alone, with_two = shot_noise(shape, seed=3, references=0), shot_noise(shape, seed=3, references=2)
    torch.testing.assert_close(with_two[:, :, 2:], alone, rtol=0, atol=0)
    assert not torch.equal(with_two[:, :, :1], with_two[:, :, 1:2])
    one = generate_shot(model, job(model, ("opening",)), bank_of(model, "opening")).latents_CTHW
    none = generate_shot(model, job(model), bank_of(model)).latents_CTHW
    assert np.abs(one - none).max() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_the_boundary_selects_the_expert(family: Family, name: str) -> None:
    model = family(name)
    experts = {model.denoiser.expert(torch.tensor(time)) for time in (999.0, 880.0, 100.0)}
    assert experts == ({0, 1} if name.endswith("a14b") else {0})
    if len(experts) == 2:
        boundary = 1000 * float(model.spec.boundary_ratio or 0)
        assert (model.denoiser.expert(torch.tensor(boundary)), model.denoiser.expert(torch.tensor(boundary - 1))) == (
            0,
            1,
        )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_bfloat16_stays_close_to_float32(
    family: Family, base_folder: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = family(name)
    sources = () if model.spec.remembers == "nothing" else ("opening",)
    made, bank = job(model, sources, steps=1, guidance=1.0, guidance_2=1.0), bank_of(model, *sources)
    monkeypatch.setattr("onestory_cli.models.load.compute_dtype", lambda *_: torch.bfloat16)  # as on a GPU
    half = load_model(model.spec, "cpu")
    assert half.transformer.dtype == half.text.encoder.dtype == half.denoiser.dtype == torch.bfloat16
    assert half.codec.vae.dtype == torch.float32
    exact, rounded = (generate_shot(item, made, bank).latents_CTHW for item in (model, half))
    assert 0 < np.abs(exact - rounded).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_a_resumed_shot_has_the_same_bytes(family: Family, name: str) -> None:
    model = family(name)
    sources = () if model.spec.remembers == "nothing" else ("opening",)
    made, bank = job(model, sources), bank_of(model, *sources)
    whole = generate_shot(model, made, bank)
    notebook = Notebook(stop=3)
    with pytest.raises(KeyboardInterrupt):
        generate_shot(model, made, bank, checkpoint=notebook)
    notebook.stop = 0
    resumed = generate_shot(model, made, bank, checkpoint=notebook)
    assert notebook.loaded == [0, 3]
    assert resumed.latents_CTHW.tobytes() == whole.latents_CTHW.tobytes()
