"""Stock diffusers folders are identified by their configs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.models.availability import Presence, presence, require_weights
from onestory_cli.models.bases import BASES, I2V_480P, TI2V_5B
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
    index = {"weight_map": {"proj_out.bias": "one.safetensors", "b": "two.safetensors"}}
    (part / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert missing_parts(part.parent) == ("transformer/two.safetensors",)


def test_pickles_are_named_if_there_are_no_safetensors(copy: Folder) -> None:
    folder = copy("t2v")
    (folder / "vae" / "extra.bin").write_bytes(b"")
    assert pickled_parts(folder) == ()
    next((folder / "vae").glob("*.safetensors")).unlink()
    assert pickled_parts(folder) == ("vae/extra.bin",)


PUBLISHED = {  # row -> family, attention heads
    "wan2.1-t2v-1.3b": ("t2v", 12),
    "wan2.1-t2v-14b": ("t2v", 40),
    "wan2.1-i2v-14b-480p": ("i2v", 40),
    "wan2.1-i2v-14b-720p": ("i2v", 40),
    "wan2.1-vace-1.3b": ("vace", 12),
    "wan2.1-vace-14b": ("vace", 40),
    "wan2.2-ti2v-5b": ("ti2v", 24),
    "wan2.2-t2v-a14b": ("t2v-a14b", 40),
    "wan2.2-i2v-a14b": ("i2v-a14b", 40),
}


@pytest.mark.parametrize("row", PUBLISHED)
def test_a_folder_of_published_weights_has_the_numbers_of_its_row(copy: Folder, tmp_path: Path, row: str) -> None:
    """As diffusers' conversion script writes them: UniPC with a flow shift of 3.0 or 5.0 for every model."""
    family, heads = PUBLISHED[row]
    folder = copy(family).rename(tmp_path / BASES[row].files.hub.rpartition("/")[2])
    config = json.loads((folder / "transformer" / "config.json").read_text())
    config |= {"num_attention_heads": heads, "attention_head_dim": 128}
    (folder / "transformer" / "config.json").write_text(json.dumps(config))
    scheduler = {"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    found, named = find(str(folder)), BASES[row]
    fields = ("width", "height", "fps", "frames", "steps", "guidance", "guidance_2", "shift", "scheduler", "negative")
    assert [getattr(found, field) for field in fields] == [getattr(named, field) for field in fields]
    assert (found.policy, found.budget, found.levels) == (named.policy, named.budget, named.levels)


def test_another_shift_of_a_folder_is_kept(copy: Folder) -> None:
    folder = copy("t2v")
    scheduler = {"_class_name": "UniPCMultistepScheduler", "flow_shift": 7.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    assert find(str(folder)).shift == 7.0


INDEX_FILE = "diffusion_pytorch_model.safetensors.index.json"


def with_index(folder: Path, weight_map: object) -> Path:
    """The folder, its transformer's weights listed by an index."""
    (folder / "transformer" / INDEX_FILE).write_text(json.dumps({"weight_map": weight_map}))
    return folder


@pytest.mark.parametrize(
    ("weight_map", "reason"),
    [
        (
            {"proj_out.bias": "diffusion_pytorch_model.safetensors", "extra": "diffusion_pytorch_model.safetensors"},
            "lacks",
        ),
        ({"proj_out.bias": "shard.bin"}, "not a safetensors file"),
        ({"proj_out.bias": "../vae/diffusion_pytorch_model.safetensors"}, "not a safetensors file of its folder"),
        ({"proj_out.bias": ["a.safetensors"]}, "not a safetensors file"),
        ({"proj_out.bias": "gone.safetensors"}, "transformer/gone.safetensors"),
        ([], "no weight_map"),
        (None, "no weight_map"),
    ],
)
def test_an_index_that_does_not_match_its_shards_is_reported(copy: Folder, weight_map: object, reason: str) -> None:
    folder = with_index(copy("t2v"), weight_map)
    spec = find(str(folder))
    assert presence(spec) is Presence.PART
    with pytest.raises(OnestoryError) as caught:
        require_weights(spec)
    assert (caught.value.code, reason in caught.value.message) == ("M503", True), caught.value.message


def test_a_cut_off_weight_file_is_reported_before_loading(copy: Folder) -> None:
    folder = copy("t2v")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(OnestoryError, match="cut off") as caught:
        require_weights(find(str(folder)))
    assert caught.value.code == "M503"
