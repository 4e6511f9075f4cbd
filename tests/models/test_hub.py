"""The cache of the hub, without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.availability import Presence, presence, require_weights
from onestory_cli.models.bases import VACE_1_3B
from onestory_cli.models.catalog import CARD, find, find_recorded
from onestory_cli.models.fingerprint import fingerprint, fingerprint_of
from onestory_cli.models.hub import cached_snapshot, download, is_repo

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put(cache: Path, repo: str, source: Path) -> Path:
    """A folder in the layout of the hub's cache: links to blobs named by their digests."""
    import hashlib

    root = cache / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    (root / "blobs").mkdir()
    for file in (item for item in source.rglob("*") if item.is_file() and item.name != CARD):
        blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        link = root / "snapshots" / COMMIT / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return root / "snapshots" / COMMIT


def test_the_form_of_a_hub_id() -> None:
    assert is_repo("Wan-AI/Wan2.1-VACE-1.3B-diffusers")
    assert not any(map(is_repo, ("wan", "a/b/c", "/a", "a/", "../../a b")))


def test_a_repository_in_the_cache_is_a_model(cache: Path, base_folder: Callable[[str], Path]) -> None:
    assert cached_snapshot("me/mine") is None
    folder = put(cache, "me/mine", base_folder("i2v"))
    spec = find("me/mine")
    assert (spec.name, spec.files.hub, spec.files.base, spec.files.path, spec.task) == (
        "me/mine",
        "me/mine",
        str(folder),
        "",
        "i2v",
    )
    assert find_recorded("me/mine", folder / "gone") == spec
    assert presence(spec) is Presence.WHOLE
    require_weights(spec)


def test_a_row_finds_its_weights_in_the_cache(cache: Path, base_folder: Callable[[str], Path]) -> None:
    assert presence(find(VACE_1_3B.name)) is Presence.NOTHING
    folder = put(cache, VACE_1_3B.files.hub, base_folder("vace"))
    spec = find(VACE_1_3B.name)
    assert (spec.files.base, spec.width) == (str(folder), 832)
    assert presence(spec) is Presence.PART
    with pytest.raises(OnestoryError, match="scores its memory with") as caught:
        require_weights(spec)
    assert caught.value.code == "M509"
    put(cache, VACE_1_3B.scorer, base_folder("vace") / "scorer")
    assert presence(spec) is Presence.WHOLE


def test_a_partial_download_names_the_missing_file(cache: Path, base_folder: Callable[[str], Path]) -> None:
    folder = put(cache, "me/mine", base_folder("t2v"))
    next((folder / "vae").glob("*.safetensors")).resolve().unlink()  # the blob that a link in the snapshot names
    with pytest.raises(OnestoryError, match=r"vae/\*.safetensors is missing") as caught:
        require_weights(find("me/mine"))
    assert (caught.value.code, caught.value.exit) == ("M509", ExitCode.MACHINE)
    assert "onestory models fetch me/mine" in caught.value.help


def test_a_model_that_was_never_downloaded_is_refused(cache: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        find("me/mine")
    assert caught.value.code == "M509"
    with pytest.raises(OnestoryError) as caught:
        require_weights(find("wan2.1-t2v-1.3b"))
    assert caught.value.code == "M509"


def test_the_fingerprint_of_a_download_is_that_of_its_bytes(
    cache: Path, base_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = put(cache, "me/mine", base_folder("t2v"))
    copied = tmp_path / "copy"
    for file in (item for item in folder.rglob("*") if item.is_file()):
        (copied / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (copied / file.relative_to(folder)).write_bytes(file.read_bytes())
    assert fingerprint(str(folder)) == fingerprint(str(copied))
    assert fingerprint_of(find("wan2.1-t2v-14b")) == ""


def test_offline_mode_does_not_try_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OnestoryError, match="HF_HUB_OFFLINE is set") as caught:
        download("me/mine")
    assert (caught.value.code, caught.value.exit) == ("M510", ExitCode.MACHINE)
    assert "hf download me/mine --local-dir mine" in caught.value.help


def test_without_a_network_the_help_suggests_another_machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(OnestoryError) as caught:
        download("me/mine")
    assert (caught.value.code, caught.value.exit) == ("M510", ExitCode.MACHINE)
