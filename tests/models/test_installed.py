"""The model that an import chooses among the downloaded ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.models.availability import Presence, best_installed, presence
from onestory_cli.models.bases import I2V_A14B, STORYMEM, T2V_A14B
from onestory_cli.models.catalog import find


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def download(cache: Path, repo: str, *files: str) -> None:
    root = cache / f"models--{repo.replace('/', '--')}"
    for file in ("README.md", *files):
        path = root / "snapshots" / "0123" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text("0123")


def test_the_model_that_remembers_most_is_chosen(cache: Path) -> None:
    assert best_installed() is None
    download(cache, T2V_A14B.files.hub)
    assert best_installed().name == "wan2.2-t2v-a14b"
    download(cache, I2V_A14B.files.hub)
    assert best_installed().name == "wan2.2-i2v-a14b"
    assert presence(find("storymem")) is Presence.PART
    download(cache, STORYMEM.scorer)
    for lora in STORYMEM.files.loras:
        assert presence(find("storymem")) is Presence.PART
        download(cache, lora.hub, lora.hub_file)
    assert best_installed().name == "storymem"
