"""The fingerprint depends on weights and configs, and on nothing else in a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint, fingerprint_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "vae").mkdir(parents=True)
    (tmp_path / "model" / "vae" / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "model" / "onestory.json").write_bytes(b"{}")
    return tmp_path / "model"


def changed(folder: Path, name: str, data: bytes) -> Path:
    """A copy of the folder with one file written."""
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    (other / name).write_bytes(data)
    return other


def test_a_copy_has_the_same_fingerprint(folder: Path) -> None:
    assert int(fingerprint(str(folder)), 16) >= 0
    assert len(fingerprint(str(folder))) == 16
    shutil.copytree(folder, folder.parent / "copy")
    assert fingerprint(str(folder.parent / "copy")) == fingerprint(str(folder))


@pytest.mark.parametrize("name", ["vae/weights.safetensors", "onestory.json", "vae/more.safetensors", "words.txt"])
def test_any_config_or_weight_counts(folder: Path, name: str) -> None:
    assert fingerprint(str(changed(folder, name, b"other"))) != fingerprint(str(folder))


def test_a_renamed_file_counts(folder: Path) -> None:
    other = changed(folder, "onestory.json", b"{}")
    (other / "vae" / "weights.safetensors").rename(other / "weights.safetensors")
    assert fingerprint(str(other)) != fingerprint(str(folder))


@pytest.mark.parametrize("name", ["README.md", "log.jsonl", "vae/sample.png"])
def test_notes_and_pictures_do_not_count(folder: Path, name: str) -> None:
    assert fingerprint(str(changed(folder, name, b"other"))) == fingerprint(str(folder))


def test_both_experts_and_an_adapter_elsewhere_count(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    base = shutil.copytree(base_folder("t2v-a14b"), tmp_path / "base")
    before = fingerprint_of(find(str(base)))
    second = next((base / "transformer_2").glob("*.safetensors"))
    moved = shutil.copytree(base, tmp_path / "moved")
    assert fingerprint_of(find(str(moved))) == before
    (moved / second.relative_to(base)).write_bytes(b"other")
    assert fingerprint_of(find(str(moved))) != before
    mine = tmp_path / "mine"
    (mine / "adapter").mkdir(parents=True)
    (mine / "onestory.json").write_text(json.dumps({"base": str(base)}))
    (mine / "adapter" / "adapter.safetensors").write_bytes(b"one")
    with_one = fingerprint_of(find(str(mine)))
    (mine / "adapter" / "adapter.safetensors").write_bytes(b"two")
    assert len({before, with_one, fingerprint_of(find(str(mine)))}) == 3
