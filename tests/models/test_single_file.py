"""Transformers in a single file: identified by the shapes in the header; pickles are refused."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from onestory_cli.errors import OnestoryError
from onestory_cli.models.availability import require_files, require_weights
from onestory_cli.models.catalog import CARD, find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.load import load_model
from onestory_cli.models.single_file import ROWS, TransformerShape, row_of_file, transformer_shape


def write(path: Path, shape: TransformerShape, prefix: str = "") -> Path:
    """A file with the weights that identify a transformer; only the relevant dimensions have their true size."""
    weights = {f"{prefix}patch_embedding.weight": torch.empty(shape.width, shape.channels, 1, 1, 1)}
    weights |= {f"{prefix}vace_patch_embedding.weight": torch.empty(1)} if shape.vace else {}
    weights |= {f"{prefix}img_emb.proj.0.weight": torch.empty(1)} if shape.image_tokens else {}
    save_file(weights, path)
    return path


@pytest.mark.parametrize("shape", ROWS, ids=lambda shape: ROWS[shape].name)
@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model."])
def test_the_shapes_identify_the_row(tmp_path: Path, shape: TransformerShape, prefix: str) -> None:
    path = write(tmp_path / "wan2.1.safetensors", shape, prefix)
    spec = find("wan2.1.safetensors", relative_to=tmp_path)
    assert (spec.files.hub, spec.files.transformer_file, spec.files.path) == (
        ROWS[shape].files.hub,
        str(path),
        str(path),
    )
    assert spec.name == "wan2.1.safetensors"


def test_names_of_diffusers_are_recognized() -> None:
    names = {"patch_embedding.weight": (5120, 36, 1, 2, 2), "condition_embedder.image_embedder.norm1.weight": (1280,)}
    assert transformer_shape(names) == TransformerShape(width=5120, channels=36, image_tokens=True)


@pytest.mark.parametrize("text", [b"", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0{}"])
def test_an_unreadable_file_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "wan.safetensors").write_bytes(text)
    with pytest.raises(OnestoryError) as caught:
        row_of_file(tmp_path / "wan.safetensors")
    assert caught.value.code == "M502"


def test_a_single_i2v_expert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="one of the two experts") as caught:
        row_of_file(write(tmp_path / "high.safetensors", TransformerShape(width=5120, channels=36)))
    assert "onestory.json" in caught.value.help


@pytest.mark.parametrize("name", ["wan.pth", "wan.bin", "wan.ckpt"])
def test_a_pickle_is_refused_without_reading_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n")
    with pytest.raises(OnestoryError) as caught:
        find(name, relative_to=tmp_path)
    assert caught.value.code == "M511"


def test_a_card_combines_a_single_file_with_a_base(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    base = base_folder("i2v")
    weights = load_file(next((base / "transformer").glob("*.safetensors")))
    changed = {name: weight + 0.01 if name == "proj_out.bias" else weight for name, weight in weights.items()}
    folder = tmp_path / "mine"
    folder.mkdir()
    save_file(changed, folder / "wan.safetensors")
    (folder / CARD).write_text(json.dumps({"base": str(base), "transformer": "wan.safetensors"}))
    spec = find("mine", relative_to=tmp_path)
    require_weights(spec)
    assert (spec.width, spec.files.path, spec.files.base) == (64, str(folder), str(base))
    assert fingerprint_of(spec) != fingerprint_of(find(str(base)))
    model, stock = load_model(spec, "cpu"), load_model(find(str(base)), "cpu")
    torch.testing.assert_close(model.transformer.proj_out.bias, stock.transformer.proj_out.bias + 0.01)
    torch.testing.assert_close(model.transformer.rope.base.freqs_cos, stock.transformer.rope.base.freqs_cos)


def test_a_quantized_gguf_file_replaces_the_transformer(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    base = base_folder("i2v")
    weights = load_file(next((base / "transformer").glob("*.safetensors")))
    writer = gguf.GGUFWriter(tmp_path / "wan.gguf", "wan")
    for name, weight in weights.items():
        values = weight.numpy()
        if name.endswith("ffn.net.2.weight"):  # GGUF quantizes rows of 32
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tmp_path / CARD).write_text(json.dumps({"base": str(base), "transformer": "wan.gguf"}))
    with pytest.raises(OnestoryError, match="a width of 24 and 36 input channels"):
        row_of_file(tmp_path / "wan.gguf")
    model, stock = (load_model(find(str(folder)), "cpu").transformer for folder in (tmp_path, base))
    inputs = (torch.ones(1, 36, 2, 8, 8), torch.tensor([500.0]), torch.ones(1, 512, 16), torch.ones(1, 257, 20))
    with torch.no_grad():
        made, wanted = (item(*inputs, return_dict=False)[0] for item in (model, stock))
    assert 0 < (made - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_a_single_file_with_missing_weights_is_refused(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    base = base_folder("t2v")
    weights = load_file(next((base / "transformer").glob("*.safetensors")))
    weights.pop("proj_out.bias")
    save_file(weights, tmp_path / "wan.safetensors")
    (tmp_path / CARD).write_text(json.dumps({"base": str(base), "transformer": "wan.safetensors"}))
    with pytest.raises(OnestoryError, match=r'lacks "proj_out\.bias"') as caught:
        load_model(find(str(tmp_path)), "cpu")
    assert caught.value.code == "M503"


NAMES_OF_2_2 = [
    "Wan2_2-T2V-A14B-LOW_fp8.safetensors",
    "wan2.2_t2v_high_noise_14B.safetensors",
    "t2v_low_noise.safetensors",
]


@pytest.mark.parametrize("vace", [False, True])
@pytest.mark.parametrize("name", [*NAMES_OF_2_2, "my-finetune-14b.safetensors"])
def test_a_14b_file_that_may_be_an_expert_needs_a_card(tmp_path: Path, name: str, vace: bool) -> None:
    path = write(tmp_path / name, TransformerShape(width=5120, channels=16, vace=vace))
    with pytest.raises(OnestoryError, match="expert") as caught:
        row_of_file(path)
    assert caught.value.code == "M502"
    assert ("transformer_2" in caught.value.help) == (name in NAMES_OF_2_2)


def test_metadata_can_state_the_version(tmp_path: Path) -> None:
    weights = {"patch_embedding.weight": torch.empty(5120, 16, 1, 1, 1)}
    save_file(weights, tmp_path / "mine.safetensors", metadata={"modelspec.title": "Wan 2.1 T2V 14B"})
    assert (
        row_of_file(tmp_path / "mine.safetensors").files.hub
        == ROWS[TransformerShape(width=5120, channels=16)].files.hub
    )
    save_file(weights, tmp_path / "wan2.1.safetensors", metadata={"modelspec.title": "Wan 2.2 high noise"})
    with pytest.raises(OnestoryError, match="one of the two experts"):
        row_of_file(tmp_path / "wan2.1.safetensors")


def test_the_720p_model_is_recognized_by_its_name(tmp_path: Path) -> None:
    shape = TransformerShape(width=5120, channels=36, image_tokens=True)
    sizes = {
        name: row_of_file(write(tmp_path / name, shape)).width for name in ("i2v_720p.safetensors", "i2v.safetensors")
    }
    assert sizes == {"i2v_720p.safetensors": 1280, "i2v.safetensors": 832}


def test_every_fault_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    head = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    bad = {
        "a web page": b"<!DOCTYPE html><html>",
        "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "nested too deeply": struct.pack("<Q", 5000) + b"[" * 5000,
        "not a JSON object": struct.pack("<Q", 4) + b"null",
        "is invalid": packed({"a": []}),
        "shape of": packed({"a": {**head["a"], "shape": [[1], [2]]}}),
        "beyond its end": packed(head),
        "does not match its shape": packed({"a": {**head["a"], "shape": [2]}}, b"0000"),
        "offsets of": packed({"a": {**head["a"], "data_offsets": [4, 0]}}),
        "cut off in its header": struct.pack("<Q", 100) + b"{}",
        "no patch embedding": packed(head, b"0000"),
    }
    for reason, data in bad.items():
        (tmp_path / "wan.safetensors").write_bytes(data)
        with pytest.raises(OnestoryError, match=reason) as caught:
            row_of_file(tmp_path / "wan.safetensors")
        assert caught.value.code == "M502"


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wan.safetensors")
    with pytest.raises(OnestoryError, match="not a regular file"):
        row_of_file(tmp_path / "wan.safetensors")


def packed(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_a_missing_file_of_a_card_is_not_to_be_fetched(tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(json.dumps({"base": "wan2.1-t2v-14b", "transformer": "mine.safetensors"}))
    with pytest.raises(OnestoryError, match=r"mine\.safetensors") as caught:
        require_files(find(str(tmp_path)))
    assert caught.value.code == "M503"
    assert "fetch" not in caught.value.help
