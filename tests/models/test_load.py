"""Load model folders, and refuse damaged ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.models.load import ALIGNMENT, LoadedModel, load_model, pick_device


def shifted(step: float, shift: float) -> float:
    return shift * step / (1 + (shift - 1) * step)


def test_a_loaded_model_is_in_eval_mode_and_frozen(tiny_model: LoadedModel) -> None:
    for part in (tiny_model.transformer, tiny_model.codec.vae, tiny_model.text.encoder):
        assert not part.training
    for module in (tiny_model.selector, tiny_model.conditioner, tiny_model.transformer):
        assert {weight.dtype for weight in module.parameters()} == {torch.float32}
        assert not any(weight.requires_grad for weight in module.parameters())


def test_a_loaded_model_does_not_depend_on_its_files(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    folder = shutil.copytree(base_folder("t2v"), tmp_path / "base")
    model = load_model(find(str(folder)), "cpu")
    for part in ("transformer", "vae"):
        stored: dict[str, torch.Tensor] = {}
        for file in (folder / part).glob("*.safetensors"):
            stored |= {name: value.clone() for name, value in load_file(file).items()}
            with file.open("r+b") as open_file:
                open_file.write(bytes(file.stat().st_size))
        weights = dict((model.codec.vae if part == "vae" else model.transformer).named_parameters())
        assert {name: torch.equal(weights[name], value) for name, value in stored.items()} == dict.fromkeys(
            weights, True
        )
        assert all(value.data_ptr() % ALIGNMENT == 0 for value in weights.values())


@torch.no_grad()
def test_text_embeddings_are_zero_after_the_caption(tiny_model: LoadedModel) -> None:
    short, long = tiny_model.text.encode(["", "A fox."]), tiny_model.text.encode(["A fox.", "fox " * 99])
    assert short.shape == long.shape == (2, 24, 16)
    filled = [int(row.abs().sum(1).gt(0).sum()) for row in (*short, *long)]
    assert filled == [1, 4, 4, 24]  # the end token, and one token per word or punctuation mark
    torch.testing.assert_close(short[1], long[0])


@torch.no_grad()
def test_unknown_words_share_one_embedding(tiny_model: LoadedModel) -> None:
    first, second, known = tiny_model.text.encode(["A zebra.", "A giraffe.", "A fox."])
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, known)


@torch.no_grad()
def test_pixels_and_latents_have_their_shapes(tiny_model: LoadedModel) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), dtype=np.uint8)
    latents = tiny_model.codec.encode_video(pixels)
    assert (latents.shape, latents.dtype) == ((2, 4, 2, 8, 8), torch.float32)
    decoded = tiny_model.codec.decode(latents[0])
    assert (decoded.shape, decoded.dtype) == ((5, 64, 64, 3), np.uint8)
    with pytest.raises(AssertionError, match="4k"):
        tiny_model.codec.encode_video(pixels[:, :4])


@torch.no_grad()
def test_a_picture_encodes_to_the_first_latent_frame_of_a_clip(tiny_model: LoadedModel) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    clip = tiny_model.codec.encode_video(pixels[None])[0]
    torch.testing.assert_close(tiny_model.codec.encode_image(pixels[0]), clip[:, :1])


@torch.no_grad()
def test_latents_are_normalised_by_the_statistics_of_the_vae(tiny_model: LoadedModel) -> None:
    pixels = np.full((1, 1, 64, 64, 3), 200, np.uint8)
    raw = tiny_model.codec.vae.encode(torch.full((1, 3, 1, 64, 64), 200 / 127.5 - 1)).latent_dist.mode()
    torch.testing.assert_close(tiny_model.codec.encode_video(pixels), (raw - 0.1) / 0.5)
    back = tiny_model.codec.vae.decode(raw).sample[0].permute(1, 2, 3, 0)
    expected = ((back + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.abs(tiny_model.codec.decode((raw[0] - 0.1) / 0.5).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_euler_shifts_its_sigmas_once(tiny_model: LoadedModel, shift: float) -> None:
    scheduler = tiny_model.denoiser.scheduler("euler", 8, shift)
    expected = [shifted((8 - step) / 8, shift) for step in range(8)]
    assert scheduler.sigmas.tolist() == pytest.approx([*expected, 0.0])
    assert scheduler.timesteps.tolist() == pytest.approx([1000 * sigma for sigma in expected])


def test_unipc_has_the_same_sigmas(tiny_model: LoadedModel) -> None:
    scheduler = tiny_model.denoiser.scheduler("unipc", 8, 5.0)
    assert scheduler.sigmas.tolist() == pytest.approx(
        [*(shifted((8 - step) / 8, 5.0) for step in range(8)), 0], abs=2e-3
    )


def test_the_environment_is_json_and_names_the_machine(tiny_model: LoadedModel) -> None:
    found = tiny_model.denoiser.environment()
    assert (found["device"], found["dtype"], found["torch"]) == ("cpu", "float32", torch.__version__)
    assert found["threads"] == torch.get_num_threads()
    assert json.loads(json.dumps(found)) == found


def test_an_unavailable_device_is_refused() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(OnestoryError) as caught:
        pick_device("abacus")
    assert (caught.value.code, caught.value.exit) == ("M504", ExitCode.MACHINE)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


@pytest.mark.parametrize("file", ["transformer/config.json", "adapter/adapter.safetensors", "adapter/config.json"])
@pytest.mark.parametrize("damage", [Path.unlink, cut_short], ids=["missing", "cut"])
def test_missing_and_damaged_files_are_refused(
    tmp_path: Path, tiny_folder: Path, file: str, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    damage(folder / file)
    with pytest.raises(OnestoryError) as caught:
        load_model(find(str(folder)), "cpu")
    assert (caught.value.code, caught.value.exit) == ("M503", ExitCode.MACHINE)


def test_a_card_with_other_levels_than_the_adapter_is_refused(tmp_path: Path, tiny_folder: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    card = json.loads((folder / "onestory.json").read_text())
    (folder / "onestory.json").write_text(json.dumps({**card, "levels": card["levels"][:2]}))
    with pytest.raises(OnestoryError) as caught:
        load_model(find(str(folder)), "cpu")
    assert (caught.value.code, caught.value.exit) == ("M502", ExitCode.MACHINE)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_damaged_weights_are_refused(tmp_path: Path, tiny_folder: Path, part: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    cut_short(next((folder / part).glob("*.safetensors")))
    with pytest.raises(OnestoryError) as caught:
        load_model(find(str(folder)), "cpu")
    assert caught.value.code == "M503"
