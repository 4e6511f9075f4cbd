"""Workers write the manifest that one process writes, also when one of them dies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.curation import worker_pool
from onestory_cli.curation.recipe import CastSettings, CurateRecipe
from onestory_cli.curation.video_curator import CuratorConfig, find_device
from onestory_cli.curation.video_stages import CuratedVideo
from onestory_cli.errors import OnestoryError

READOUT = ("--captioner", "readout", "--cast", "readout", "--encoders", "none", "--device", "cpu")
PLAIN = CurateRecipe(cast=CastSettings(detector="none"), encoders=())


def curate(footage: Path, out: Path, *more: str) -> bytes:
    command = [sys.executable, "-m", "onestory_cli", "curate", str(footage), "--out", str(out), *READOUT, *more]
    subprocess.run(command, check=True, capture_output=True)
    return (out / "shots.jsonl").read_bytes()


@pytest.mark.slow
def test_workers_write_the_same_manifest(footage: Path, tmp_path: Path) -> None:
    assert curate(footage, tmp_path / "one") == curate(footage, tmp_path / "two", "--workers", "2")
    assert not [*(tmp_path / "two").rglob("worker-*")]


def test_device_is_looked_for_only_for_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert find_device("auto", PLAIN) == "cpu"
    assert find_device("auto", replace(PLAIN, encoders=("dinov2",))) == "cuda"
    with pytest.raises(OnestoryError) as caught:
        find_device("none-such", replace(PLAIN, encoders=("dinov2",)))
    assert caught.value.code == "M504"


@pytest.mark.slow
@pytest.mark.ray
def test_a_ray_cluster_writes_the_same_manifest(footage: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'onestory[ray]'")
    assert curate(footage, tmp_path / "one") == curate(footage, tmp_path / "ray", "--ray", "local")


@pytest.mark.slow
def test_a_video_that_kills_its_worker_is_one_row(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [tmp_path / f"{name}.mp4" for name in ("one", "deadly", "two", "three")]
    for video in videos:
        shutil.copy(footage / "0.mp4", video)
    monkeypatch.setattr(worker_pool, "_curate", die_of_deadly)
    with worker_pool.local_pool(CuratorConfig(out=tmp_path / "set", recipe=PLAIN, folder=tmp_path), 2) as pool:
        results = [pool.submit(video, "0" * 64) for video in videos]
        faults = {video.path.name: video.fault for video in (result() for result in results)}
    assert faults == {"one.mp4": "", "deadly.mp4": worker_pool.DIED, "two.mp4": "", "three.mp4": ""}


def die_of_deadly(path: Path, digest: str) -> CuratedVideo:
    """What a decoder with a memory fault does, in a worker."""
    if path.name == "deadly.mp4":
        os._exit(139)
    return worker_pool._curator[0].curate(path, digest)
