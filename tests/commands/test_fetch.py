"""`onestory models fetch` from a small local hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.models.catalog import CARD
from tests.models.hub_server import COMMIT, Hub, serving

ROOT = Path(__file__).parents[2]


def fetch(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run in another process, because the hub's client reads the address on import."""
    hub_variables = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(ROOT),
    }
    environment = {**os.environ, **hub_variables}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-m", "onestory_cli", "models", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
        check=False,
    )


@pytest.mark.slow
def test_download_skips_pickles_and_resumes(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    folder = shutil.copytree(base_folder("t2v"), tmp_path / "there")
    (folder / CARD).unlink()
    (folder / "vae" / "old.bin").write_bytes(b"a pickle")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    weights = "more.safetensors"
    (folder / weights).write_bytes(bytes(24 * 2**20))  # the client writes chunks of 10 MiB
    home = tmp_path / "home"
    home.mkdir()
    with serving(Hub("me/mine", folder, breaks={weights})) as hub:
        done = fetch(hub, home, "fetch", "me/mine", "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        again = fetch(hub, home, "fetch", "me/mine")
    assert document["schema"] == "onestory.models-fetch.v1"
    assert document["present"] == "yes"
    assert document["folder"].endswith(f"models--me--mine/snapshots/{COMMIT}")
    assert "accept its licence (cc-by-nc-4.0) before you use it: onestory models accept me/mine" in done.stderr
    assert [start for name, start in hub.fetched if name == weights] == [0, 10 * 2**20]
    assert (Path(document["folder"]) / weights).read_bytes() == (folder / weights).read_bytes()
    assert not any(name.endswith(".bin") for name, _ in hub.fetched)
    assert again.returncode == 0
    assert again.stdout == document["folder"] + "\n"
    assert "0 of " in again.stderr
    assert len({name for name, _ in hub.fetched}) == len(hub.fetched) - 1  # all once, except one in two parts


def test_missing_repository_is_reported(tmp_path: Path) -> None:
    with serving(Hub("me/mine", tmp_path)) as hub:
        done = fetch(hub, tmp_path, "fetch", "me/other")
    assert done.returncode in (1, 3)
    assert "me/other" in done.stderr
    assert "Traceback" not in done.stderr
