"""A manifest of three tiny videos, and recipes that train on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from accelerate.state import AcceleratorState, GradientState

from onestory_cli.media.video import write_clip
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import WorldConfig
from tests.bases import write_base

FRAMES, FPS, SIZE = 5, 8, 64
# fields of a recipe that distils the base in two steps
STUDENT_RECIPE: dict[str, Any] = {
    "delta": "lora",
    "lora": {"rank": 4, "alpha": 8, "modules": ["to_q", "to_v"]},
    "distil": {"steps": 3, "guidance": 3.0, "teacher_steps": 1},
    "train": {"steps": 2, "uniform_steps": 0, "accumulate": 2, "ema": 0.0},
}


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps the precision and device that a process first asks for; tests ask for several."""
    reset_accelerate()
    yield
    reset_accelerate()


def reset_accelerate() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of the real classes, like Wan 2.1 T2V."""
    return write_base(tmp_path_factory.mktemp("bases") / "tiny-model", "t2v")


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of 2, 3 and 2 shots; the last one states its relevance."""
    folder = tmp_path_factory.mktemp("shots")
    config = WorldConfig(size=SIZE, frames=FRAMES, fps=FPS)
    lines = []
    for seed, count in enumerate((2, 3, 2)):
        story = make_story(seed, config, shots=count)
        pixels = np.concatenate([render_shot(shot, config).pixels_THWC for shot in story.shots])
        write_clip(folder / f"{seed}.mp4", pixels, fps=FPS)
        seconds = FRAMES / FPS
        shots = [
            {"start": index * seconds, "end": (index + 1) * seconds, "caption": shot.caption}
            for index, shot in enumerate(story.shots)
        ]
        lines.append({"video": f"{seed}.mp4", "shots": shots})
    for line in lines:
        for index, shot in enumerate(line["shots"]):
            shot["relevance"] = [0.5] * index
    path = folder / "shots.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


@pytest.fixture
def recipe(tiny_folder: Path, manifest: Path, tmp_path: Path) -> Path:
    """Four steps on the tiny base; the first one is warm-up."""
    return write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest)


def write_recipe(path: Path, base: Path, manifest: Path, **fields: object) -> Path:
    """Write a recipe of four steps; `fields` override some of its entries."""
    train = {"steps": 4, "batch": 2, "rate": 0.01, "warmup": 2, "ema": 0.5, "uniform_steps": 1}
    settings = {
        "name": "tiny-adapter",
        "base": str(base),
        "data": {"manifest": str(manifest)},
        "memory": {"remembered": [3], "budgets": [2.0], "selector_width": 16, "queries": 2},
        "dtype": "float32",
        "checkpoint_every": 1,
        "log_every": 1,
        **fields,
    }
    settings["train"] = {**train, **settings.get("train", {})}  # type: ignore[dict-item]
    path.write_text(yaml.safe_dump(settings))
    return path
