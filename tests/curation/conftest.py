from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from onestory_cli.media.video import write_clip
from onestory_cli.storyworld import WorldConfig, make_story, render_shot
from tests.commands.conftest import onestory as onestory  # the fixture

FPS = 16
CONFIG = WorldConfig(size=64, frames=25, fps=FPS)
Pixels = NDArray[np.uint8]


def shots_of(seed: int, shots: int) -> list[Pixels]:
    """The true pictures of the first shots of a storyworld film, (P, H, W, 3) each."""
    return [render_shot(shot, CONFIG).pixels_THWC for shot in make_story(seed, CONFIG, shots=shots).shots]


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two films of four shots, cut every 25 frames."""
    folder = tmp_path_factory.mktemp("footage")
    for seed in (0, 1):
        write_clip(folder / f"{seed}.mp4", np.concatenate(shots_of(seed, 4)), fps=FPS)
    return folder
