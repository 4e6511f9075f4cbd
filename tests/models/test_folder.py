"""Stock diffusers folders are identified by their configs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.models.bases import I2V_480P, TI2V_5B
from onestory_cli.models.catalog import CARD, find
from onestory_cli.models.folder import missing_parts, pickled_parts, read_stock

Folder = Callable[[str], Path]

FACTS = {
    "t2v": ("t2v", "nothing", "none", True, 1, 16, 8, "none"),
    "i2v": ("i2v", "first-frame", "channels", False, 1, 16, 8, "last"),
    "vace": ("vace", "references", "control", True, 1, 16, 8, "coverage"),
    "ti2v": ("ti2v", "first-frame", "held", True, 1, 48, 16, "last"),
    "t2v-a14b": ("t2v", "nothing", "none", True, 2, 16, 8, "none"),
    "i2v-a14b": ("i2v", "first-frame", "channels", False, 2, 16, 8, "last"),
}


@pytest.fixture
def copy(tmp_path: Path, base_folder: Folder) -> Folder:
    """A copy of a family's folder, without a card."""

    def make(family: str) -> Path:
        folder = shutil.copytree(base_folder(family), tmp_path / family)
        (folder / CARD).unlink()
        return folder

    return make


@pytest.mark.parametrize("family", FACTS)
def test_a_family_is_identified_by_its_configs(base_folder: Folder, family: str) -> None:
    spec = read_stock(base_folder(family), name=family)
    facts = (spec.task, spec.remembers, spec.first_frame, spec.from_text, spec.experts)
    assert (*facts, spec.latent_channels, spec.spatial_stride, spec.policy) == FACTS[family]
    assert spec.size_multiple == 2 * spec.spatial_stride
    assert spec.image_tokens == (family == "i2v")
    assert spec.expand_timesteps == (family == "ti2v")
    assert (spec.scheduler, spec.shift) == (("unipc", 5.0) if family == "ti2v" else ("euler", 3.0))


def test_a_folder_without_a_card_uses_the_sizes_of_the_nearest_row(copy: Folder) -> None:
    spec = find(str(copy("ti2v")))
    assert (spec.width, spec.height, spec.fps, spec.frames) == (TI2V_5B.width, TI2V_5B.height, 24, 121)
    assert (spec.name, spec.files.hub, spec.licence, spec.memory_gb) == (spec.files.path, "", "not stated", 0.0)


def test_a_card_on_its_own_base_changes_only_the_named_fields(base_folder: Folder) -> None:
    spec = find(str(base_folder("i2v")))
    assert (spec.width, spec.frames, spec.steps) == (64, 5, 2)
    assert (spec.task, spec.guidance, spec.scorer) == ("i2v", I2V_480P.guidance, f"{spec.files.base}/scorer")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("transformer/config.json", '{"_class_name": "FluxTransformer2DModel"}', "is a FluxTransformer2DModel"),
        ("transformer/config.json", "[]", "does not hold a JSON object"),
        ("vae/config.json", "{}", "z_dim"),
        ("model_index.json", '{"transformer_2": ["diffusers", "WanTransformer3DModel"]}', "no boundary_ratio"),
    ],
)
def test_other_pipelines_are_refused(copy: Folder, file: str, text: str, said: str) -> None:
    folder = copy("t2v")
    (folder / file).write_text(text)
    with pytest.raises(OnestoryError, match=said) as caught:
        find(str(folder))
    assert caught.value.code == "M502"


def test_missing_parts_are_named(copy: Folder) -> None:
    folder = copy("t2v-a14b")
    assert missing_parts(folder) == ()
    next((folder / "transformer_2").glob("*.safetensors")).unlink()
    shutil.rmtree(folder / "vae")
    assert missing_parts(folder) == ("transformer_2/*.safetensors", "vae/config.json")


def test_missing_shards_are_named(copy: Folder) -> None:
    part = copy("t2v") / "transformer"
    weights = next(part.glob("*.safetensors"))
    weights.rename(part / "one.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (part / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert missing_parts(part.parent) == ("transformer/two.safetensors",)


def test_pickles_are_named_if_there_are_no_safetensors(copy: Folder) -> None:
    folder = copy("t2v")
    (folder / "vae" / "extra.bin").write_bytes(b"")
    assert pickled_parts(folder) == ()
    next((folder / "vae").glob("*.safetensors")).unlink()
    assert pickled_parts(folder) == ("vae/extra.bin",)
