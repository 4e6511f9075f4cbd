"""A film on the tiny StoryMem: the first shot by a text-to-video model, a shot without a cut, resume."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import CARD
from tests.bases import SMALL, base_folder
from tests.commands.conftest import Onestory
from tests.generation.test_storymem import FIELDS

__all__ = ["base_folder"]

STORY = """\
story: 1
title: Kite
model: base
first_shot_model: first
shots:
  - {id: opening, caption: A red fox walks right.}
  - {id: door, cut: false, caption: A red fox waves.}
"""


def record(shot: str) -> Any:
    (file,) = Path("film.run/shots", shot).glob("*/record.json")
    return json.loads(file.read_text())


@pytest.mark.slow
def test_a_film_with_keyframes_resumes(
    onestory: Onestory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_folder: Callable[[str], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(base_folder("i2v-a14b"), "base")
    Path("base", CARD).write_text(json.dumps({"base": ".", **SMALL, **FIELDS}))
    shutil.copytree(base_folder("t2v-a14b"), "first")
    Path("film.story.yaml").write_text(STORY)
    assert onestory("render", "film.story.yaml", "--device", "cpu").exit is ExitCode.DONE
    door = record("door")
    first = door["memory"]["selected"][0]
    assert (first["source"], first["index"], first["level"]) == ("opening", 1, "first-frame")
    assert door["spec"]["memory_continues"] == 1
    kept = onestory("plan", "film.story.yaml", "--json", "--exit-code")
    assert kept.exit is ExitCode.DONE, kept.out
    shutil.rmtree("film.run/shots/door")
    assert onestory("resume", "film.run", "--device", "cpu").exit is ExitCode.DONE
    assert record("door")["files"]["latents.safetensors"] == door["files"]["latents.safetensors"]
