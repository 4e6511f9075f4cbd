"""Weights are never downloaded; missing, damaged and unsupported ones are reported with the next step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.likeness import load_embedder
from tests.commands.test_fetch import fetch
from tests.evaluation.videos.conftest import CPU
from tests.models.hub_server import Hub, serving


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty hub cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def fault_of(source: str) -> OnestoryError:
    with pytest.raises(OnestoryError) as caught:
        load_embedder(source, CPU)
    assert caught.value.exit is ExitCode.MACHINE
    return caught.value


@pytest.mark.usefixtures("no_cache")
def test_missing_weights_are_reported_with_the_fetch_command() -> None:
    fault = fault_of("facebook/dinov2-base")
    assert fault.code == "M531"
    assert fault.help.startswith("run `onestory models fetch facebook/dinov2-base`, or set the embedder to")


def test_weights_of_models_fetch_are_found(
    network_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub("me/eye", network_folders["dinov2"])) as hub:
        for _ in range(2):
            done = fetch(hub, tmp_path, "fetch", "me/eye")
            assert done.returncode == 0, done.stderr
    assert "0 of " in done.stderr
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    load_embedder("me/eye", CPU)


def test_unsupported_network_is_rejected(network_folders: dict[str, Path]) -> None:
    fault = fault_of(str(network_folders["xclip"]))
    assert fault.code == "M532"
    assert 'model type "xclip" is not supported (expected dinov2' in fault.message


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "missing"])
def test_damaged_folder_is_rejected(network_folders: dict[str, Path], tmp_path: Path, file: str, cut: bool) -> None:
    folder = tmp_path / "network"
    shutil.copytree(network_folders["dinov2"], folder)
    damaged = folder / file
    damaged.write_bytes(damaged.read_bytes()[:-20]) if cut else damaged.unlink()
    assert fault_of(str(folder)).code == "M532"


def test_provenance_identifies_the_files(network_folders: dict[str, Path]) -> None:
    folder = str(network_folders["dinov2"])
    found = load_embedder(folder, CPU).network.provenance()
    assert (found["source"], found["kind"], found["commit"]) == (folder, "dinov2", None)
    assert len(found["fingerprint"] or "") == 16
