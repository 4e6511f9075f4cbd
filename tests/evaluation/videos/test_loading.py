"""Weights are named, never fetched; what is missing, damaged or of another kind is told with what to do."""

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
    """No hub id has ever been fetched."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def fault_of(source: str) -> OnestoryError:
    with pytest.raises(OnestoryError) as caught:
        load_embedder(source, CPU)
    assert caught.value.exit is ExitCode.MACHINE
    return caught.value


@pytest.mark.usefixtures("no_cache")
def test_weights_that_were_not_fetched_are_named_with_the_command() -> None:
    fault = fault_of("facebook/dinov2-base")
    assert fault.code == "M531"
    assert fault.help.startswith("`onestory models fetch facebook/dinov2-base` gets them; `--embedder FOLDER`")


def test_what_models_fetch_got_is_found(
    network_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub("me/eye", network_folders["dinov2"])) as hub:
        for _ in range(2):
            done = fetch(hub, tmp_path, "fetch", "me/eye")
            assert done.returncode == 0, done.stderr
    assert "0 of " in done.stderr
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    load_embedder("me/eye", CPU)


def test_another_kind_of_network_is_refused(network_folders: dict[str, Path]) -> None:
    fault = fault_of(str(network_folders["xclip"]))
    assert fault.code == "M532"
    assert 'it is a "xclip", and there is use for dinov2' in fault.message


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "missing"])
def test_a_damaged_folder_is_refused(network_folders: dict[str, Path], tmp_path: Path, file: str, cut: bool) -> None:
    folder = tmp_path / "network"
    shutil.copytree(network_folders["dinov2"], folder)
    damaged = folder / file
    damaged.write_bytes(damaged.read_bytes()[:-20]) if cut else damaged.unlink()
    assert fault_of(str(folder)).code == "M532"


def test_provenance_says_which_bytes(network_folders: dict[str, Path]) -> None:
    folder = str(network_folders["dinov2"])
    found = load_embedder(folder, CPU).network.provenance()
    assert (found["source"], found["kind"], found["commit"]) == (folder, "dinov2", None)
    assert len(found["fingerprint"] or "") == 16
