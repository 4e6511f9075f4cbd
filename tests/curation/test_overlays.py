"""Text, logos and shaking are measured where they are, and not elsewhere."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.curation.cuts import without_flashes
from onestory_cli.curation.detectors import Boundary
from onestory_cli.curation.measures import Overlays, lasting, measures_of, shaking, small_grey
from onestory_cli.curation.overlays import find_logo, text_share
from onestory_cli.curation.recipe import FilterSettings
from onestory_cli.storyworld import WorldConfig
from tests.curation.footage import Pixels, shaken, storyworld_film, with_logo, with_text

LIMITS = FilterSettings()


@cache
def shots() -> tuple[Pixels, ...]:
    """Twelve shots of five frames, of two stories."""
    config = WorldConfig(size=192, frames=5, version=2)
    films = [storyworld_film(seed, 6, config).pixels_PHWC for seed in (70, 71)]
    return tuple(shot for film in films for shot in np.split(film, 6))


def grey(frame_HWC: Pixels, side: int = 192) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(frame_HWC).convert("L").resize((side, side), Image.Resampling.BOX))


def test_lines_of_text_are_found() -> None:
    assert LIMITS.text
    clean = [text_share(grey(shot[0])) for shot in shots()]
    subtitled = [text_share(grey(with_text(shot[:1], "Where is the kite?")[0])) for shot in shots()]
    assert max(clean) < LIMITS.text
    assert sum(share > LIMITS.text for share in subtitled) >= 11


def test_a_logo_is_found_in_every_shot() -> None:
    assert LIMITS.watermark
    assert find_logo([grey(shot[0], 160) for shot in shots()]) is None
    marked = [grey(with_logo(shot[:1])[0], 160) for shot in shots()]
    logo = find_logo(marked)
    assert logo
    assert sum(logo.share(picture) > LIMITS.watermark for picture in marked) >= 10
    assert max(logo.share(grey(shot[0], 160)) for shot in shots()) < LIMITS.watermark
    assert find_logo(marked[:3]) is None


def test_ranges_get_the_numbers_of_their_frames() -> None:
    overlays = Overlays()
    for number, shot in enumerate(shots()):
        picture = with_text(shot[:1], "Where is the kite?") if number < 4 else shot[:1]
        overlays.push(10 * number, grey(picture[0]))
    first, second, third = overlays.measures([(0, 40), (40, 120), (120, 130)])
    assert first["text"] > 0.01
    assert second == third == {"text": 0.0, "watermark": 0.0}


def test_a_shaking_camera_differs_from_a_moving_character() -> None:
    assert LIMITS.shaking
    film = storyworld_film(3, 3, WorldConfig(size=96, frames=12)).pixels_PHWC
    for number, shot in enumerate(np.split(film, 3)):
        assert shaking([small_grey(frame) for frame in shot]) < LIMITS.shaking
        assert shaking([small_grey(frame) for frame in shaken(shot, number)]) > LIMITS.shaking


@pytest.mark.parametrize(("length", "kept"), [(1, False), (2, False), (3, True)])
def test_a_flash_is_not_a_cut(length: int, kept: bool) -> None:
    greys = [np.full((4, 4), 250 if 5 <= number < 5 + length else 60, np.uint8) for number in range(12)]
    for first in (5, 5 + length):
        cut = Boundary(first=first, last=first, kind="cut")
        assert without_flashes([cut], greys) == ([cut] if kept else [])


def test_text_counts_if_two_samples_in_a_row_show_it() -> None:
    assert lasting([0.0, 0.09, 0.0, 0.03, 0.02]) == [0.0, 0.0, 0.0, 0.02, 0.02]
    assert lasting([0.03]) == [0.03]


def test_a_small_movement_is_not_frozen() -> None:
    greys = [np.zeros((24, 24), np.uint8)] * 3
    assert measures_of(greys, [0.5, 0.0015, 0.0012])["frozen"] == 0.0015
