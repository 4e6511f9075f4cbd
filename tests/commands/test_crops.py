"""A film on the tiny VACE whose remembered characters are cropped, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import ExitCode
from tests.bases import base_folder
from tests.commands.conftest import Onestory
from tests.evaluation.videos.networks import save_grounding_dino

__all__ = ["base_folder"]

STORY = """\
story: 1
title: Kite
model: base
characters: {fox: {look: a red fox}}
settings: {beach: {look: a beach}, city: {look: a city}}
shots:
  - {id: opening, caption: $fox walks on $beach.}
  - {id: town, caption: $fox walks in $city.}
  - {id: return, caption: $fox waves on $beach.}
"""


def cache_detector(cache: Path) -> None:
    """Put a tiny detector into the cache of the hub, as grounding-dino-tiny."""
    root = cache / "models--IDEA-Research--grounding-dino-tiny"
    save_grounding_dino(root / "snapshots" / "1")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("1")


def memory_of(shot: str) -> list[tuple[str, str]]:
    """Source and level of the frames that the accepted take of a shot remembers."""
    state = json.loads(Path("film.run/run.json").read_text())
    folder = state["shots"][shot]["folder"]
    record: Any = json.loads(Path("film.run/shots", folder, "record.json").read_text())
    return [(frame["source"], frame["level"]) for frame in record["memory"]["selected"]]


@pytest.mark.slow
def test_a_downloaded_detector_crops_and_its_removal_renders_again(
    onestory: Onestory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_folder: Callable[[str], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    shutil.copytree(base_folder("vace"), "base")
    Path("film.story.yaml").write_text(STORY)
    cache_detector(tmp_path / "hub")
    assert onestory("render", "film.story.yaml", "--device", "cpu").exit is ExitCode.DONE
    assert memory_of("opening") == []
    assert set(memory_of("town")) == {("opening", "character")}
    assert dict(memory_of("return")).items() <= {"opening": "reference", "town": "character"}.items()
    assert onestory("plan", "film.story.yaml", "--exit-code").exit is ExitCode.DONE
    assert onestory("verify", "film.run").exit is ExitCode.DONE
    shutil.rmtree("hub")
    plan = onestory("plan", "film.story.yaml", "--json")
    reasons = {shot["shot"]: shot["reason"] for shot in json.loads(plan.out)["shots"]}
    assert "memory crop" in str(reasons["town"])
    named = Path("film.story.yaml")
    named.write_text(STORY.replace("shots:\n", "defaults: {memory: {crop: dfine-small}}\nshots:\n"))
    refused = onestory("render", "film.story.yaml", "--run", "named.run", "--device", "cpu")
    assert refused.exit is ExitCode.MACHINE
    assert "models fetch ustc-community/dfine-small-coco" in refused.err
