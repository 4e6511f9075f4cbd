"""`train`: from a recipe to a folder that renders shots."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, StageFinished, StageStarted, TrainingProgress
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import load_model
from onestory_cli.training.run import train
from tests.tiny import job_of

pytestmark = pytest.mark.train

RECIPE = """\
name: micro
seed: 5
dtype: float32
compile: false
checkpoint_every: 1
log_every: 1
world: {species: [fox, bear], colours: [red, blue], size: 32, frames: 5}
data: {stories: 2, vae_stories: 2, shots: 3}
model:
  name: micro
  vae: {base_dim: 4, latent_channels: 4}
  transformer: {width: 32, heads: 2, layers: 1, feed_forward: 2}
  text: {width: 16, heads: 2, layers: 1, tokens: 24}
  memory: {frames: 2, budget: 1.0, selector_width: 16, queries: 2}
  sampling: {steps: 2, guidance: 2.0}
stages:
  - {name: vae, kind: vae, steps: 2, batch: 2, frames: 5, rate: 0.001, matrix_rate: 0.002}
  - {name: pictures, kind: base, target: image, steps: 2, batch: 2, rate: 0.001, matrix_rate: 0.002}
  - {name: recall, kind: adapter, target: image, steps: 2, batch: 2, rate: 0.001, conditioning: uniform, inflation: 0.5}
  - {name: words, kind: text, steps: 2, batch: 2, rate: 0.01, places_rate: 0.1, text_layers: 2}
  - {name: shots, kind: adapter, target: shot, steps: 2, batch: 2, rate: 0.001, conditioning: selector, sample_every: 1,
     skip: 1, pairs: 1.0, looks_weight: 0.3, roles_weight: 0.2, words_weight: 0.3}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "micro.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("trained")
    assert train(recipe, folder) == folder / "model"
    return folder


def stages(heard: list[Event], kind: type[StageStarted] | type[StageFinished]) -> list[str]:
    return [event.stage for event in heard if isinstance(event, kind)]


def test_model_folder_renders_shots(trained: Path) -> None:
    model = load_model(find(str(trained / "model")), "cpu")
    bank = MemoryBank(channels=4, height=4, width=4)
    for name in ("opening", "return"):
        made = generate_shot(model, job_of(model.spec, shot=name), bank)
        assert made.decode().shape == (5, 32, 32, 3)
        assert np.isfinite(made.latents_CTHW).all()
        bank.add(name, model.codec.encode_video(made.decode()[None])[0])
    assert [item.source for item in made.selection] == ["opening", "opening"]
    assert model.text.encoder.config.num_layers == 2
    assert {"fox", "frog"} & {*(model.spec.words or ())} == {"fox"}


def test_latents_of_the_trained_vae_have_unit_scale(trained: Path) -> None:
    model = load_model(find(str(trained / "model")), "cpu")
    pixels = np.load(trained / "cache" / "pixels.npy")
    latents = model.codec.encode_video(pixels).transpose(0, 1).flatten(1)
    assert latents.mean(1).abs().max() < 0.2
    assert (latents.std(1) - 1).abs().max() < 0.2


def test_stories_are_encoded_as_in_a_film(trained: Path) -> None:
    model = load_model(find(str(trained / "model")), "cpu")
    pixels = np.load(trained / "cache" / "pixels.npy")[:3]  # the first story
    latents = load_file(trained / "cache" / "stories.safetensors")["latents"][0].float()
    torch.testing.assert_close(latents, model.codec.encode_video(pixels), atol=5e-3, rtol=1e-3)


def test_pictures_and_log_are_written(trained: Path) -> None:
    names = {path.name for path in (trained / "samples").iterdir()}
    assert {"0-vae-000002.png", "4-shots-000001.png", "4-shots-000002.png", "4-shots-000002.txt"} <= names
    assert Image.open(trained / "samples" / "0-vae-000002.png").size == (2 * 2 * 32, 2 * 12 * 32)
    assert Image.open(trained / "samples" / "4-shots-000002.png").size == (2 * 6 * 32, 2 * 6 * 32)
    assert len((trained / "log.jsonl").read_text().splitlines()) == 10


def test_finished_stages_are_skipped(trained: Path, recipe: Path) -> None:
    before = fingerprint(str(trained / "model"))
    shutil.rmtree(trained / "model")
    heard: list[Event] = []
    train(recipe, trained, heard.append)
    assert heard == []
    assert fingerprint(str(trained / "model")) == before


def test_interrupted_training_ends_in_the_same_model(trained: Path, recipe: Path, tmp_path: Path) -> None:
    def stop_in(stage: str, step: int) -> None:
        def listen(event: Event) -> None:
            if isinstance(event, TrainingProgress) and (event.stage, event.step) == (stage, step):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "parts", listen)

    stop_in("vae", 2)
    stop_in("recall", 1)
    heard: list[Event] = []
    train(recipe, tmp_path / "parts", heard.append)
    assert stages(heard, StageStarted) == stages(heard, StageFinished) == ["recall", "words", "shots"]
    assert fingerprint(str(tmp_path / "parts" / "model")) == fingerprint(str(trained / "model"))


def test_training_can_stop_after_a_stage(trained: Path, recipe: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "cache", tmp_path / "cache")
    heard: list[Event] = []
    train(recipe, tmp_path, heard.append, stage="vae")
    assert stages(heard, StageFinished) == ["vae"]
    assert find(str(tmp_path / "model")).name == str(tmp_path / "model")


def test_unknown_stage_is_rejected_before_any_work(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        train(recipe, tmp_path / "out", stage="shot")
    assert (caught.value.code, caught.value.help) == ("T601", 'did you mean "shots"?')
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_statistics_stay_where_latents_are_kept(tiny_folder: Path, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "kites.yaml"
    path.write_text(KITES.format(start=tiny_folder, kept=kept))
    train(path, tmp_path / "out")
    before, after = (load_model(find(str(folder)), "cpu").codec.vae for folder in (tiny_folder, tmp_path / "out/model"))
    assert not torch.equal(before.encoder.conv_in.weight, after.encoder.conv_in.weight)
    assert (before.config.latents_std == after.config.latents_std) == (kept > 0)
    written = [path.read_text() for path in (tmp_path / "out" / "model").rglob("*.json")]
    assert not any(str(tiny_folder) in text for text in written)


KITES = """\
name: kites
start: {start}
dtype: float32
compile: false
world: {{version: 2, size: 64, frames: 5}}
data: {{stories: 1, vae_stories: 4, shots: 3, seed: 30}}
model: {{name: kites}}
stages:
  - {{name: kites, kind: vae, steps: 1, batch: 2, frames: 5, rate: 0.01, kites: 0.5, keep_latents: {kept}}}
"""


def test_version_2_trains_at_a_stride_of_16(tmp_path: Path) -> None:
    text = RECIPE.replace("vae: {base_dim: 4, latent_channels: 4}", TALL_VAE).replace(
        "world: {", "world: {version: 2, "
    )
    text = "".join(line for line in text.splitlines(keepends=True) if "name: words" not in line)
    path = tmp_path / "second.yaml"
    path.write_text(text)
    train(path, tmp_path / "out")
    model = load_model(find(str(tmp_path / "out" / "model")), "cpu")
    made = generate_shot(model, job_of(model.spec, shot="opening"), MemoryBank(channels=6, height=2, width=2))
    assert made.decode().shape == (5, 32, 32, 3)
    assert made.latents_CTHW.shape == (6, 2, 2, 2)
    assert model.spec.size_multiple == 32
    assert {"kite", "sunset"} <= {*(model.spec.words or ())}


TALL_VAE = "vae: {base_dim: 4, dim_mult: [1, 2, 2], latent_channels: 6, patch_size: 4, residual: true}"
