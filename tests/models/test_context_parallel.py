"""Two processes render a byte-identical film; only the first one writes and prints. On gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
from packaging.version import Version

from tests.bases import base_folder

__all__ = ["base_folder"]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("torchrun.py")
# `--`, or torchrun takes --run of a command for the beginning of its own --run-path, and complains
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "--")
SHARES = Version(diffusers.__version__) >= Version("0.37")
STORY = """\
story: 1
title: Two
model: base
shots:
  - {id: opening, caption: A red fox walks right.}
  - {id: city, caption: A city at night.}
"""


@pytest.fixture
def film(tmp_path: Path, base_folder: Callable[[str], Path]) -> Path:
    (tmp_path / "base").symlink_to(base_folder("t2v"))
    path = tmp_path / "film.story.yaml"
    path.write_text(STORY)
    return path


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def digests(folder: Path) -> dict[str, str]:
    """Digest of the latents of every take, by shot."""
    records = [json.loads(path.read_text()) for path in folder.glob("shots/*/*/record.json")]
    return {record["shot"]: record["files"]["latents.safetensors"]["sha256"] for record in records}


@pytest.mark.slow
@pytest.mark.skipif(not SHARES, reason="this diffusers cannot")
def test_two_processes_render_the_same_film_as_one(film: Path) -> None:
    render = ("render", film.name, "--allow-outside", "--device", "cpu")
    two = run(*TORCHRUN, PROGRAM, *render, "--run", "two.run", folder=film.parent)
    assert two.returncode == 0, two.stderr
    assert two.stdout.split() == ["two.run/film.mp4"]
    assert "LEFT" not in two.stderr
    together = digests(film.with_name("two.run"))
    one = run(sys.executable, PROGRAM, *render, folder=film.parent)
    assert one.returncode == 0, one.stderr
    assert digests(film.with_name("film.run")) == together
    assert len(together) == 2


@pytest.mark.slow
@pytest.mark.skipif(SHARES, reason="this diffusers can")
def test_an_old_diffusers_is_refused(film: Path) -> None:
    result = run(*TORCHRUN, PROGRAM, "render", film, "--allow-outside", "--device", "cpu", folder=film.parent)
    assert result.returncode != 0
    assert "error[U606]" in result.stderr


@pytest.mark.slow
def test_an_error_is_reported_once_and_ends_all_processes(film: Path) -> None:
    film.write_text(STORY.replace("model: base", "model: unknown"))
    result = run(*TORCHRUN, PROGRAM, "render", film, folder=film.parent)
    assert result.returncode != 0
    assert result.stderr.count("error[M501]") == 1
    assert "LEFT" not in result.stderr
