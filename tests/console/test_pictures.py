from __future__ import annotations

import numpy as np

from onestory_cli.console.pictures import TerminalPicture, picture_lines, preview_picture

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_half_blocks_have_two_pixels_in_a_character() -> None:
    tile = np.array([[RED, BLUE], [BLUE, RED]], np.uint8)
    first, label = picture_lines([TerminalPicture(label="1", pixels_HW3=tile)], 80)
    assert first[0] == ("▀", "rgb(255,0,0) on rgb(0,0,255)")
    assert first[1] == ("▀", "rgb(0,0,255) on rgb(255,0,0)")
    assert label[0][0].strip() == "1"


def test_pictures_wrap_at_the_width_and_are_padded_to_one_height() -> None:
    small, large = (TerminalPicture(label="x", pixels_HW3=np.zeros((size, size, 3), np.uint8)) for size in (4, 8))
    assert len(list(picture_lines([large, small], 80))) == 4 + 1
    assert len(list(picture_lines([large, small], 10))) == (4 + 1) + (2 + 1)
    widths = {sum(len(text) for text, _ in line) for line in picture_lines([large, small], 80)}
    assert widths == {8 + 2 + 4 + 2}


def test_a_preview_fits_into_its_lines_with_two_pixels_per_character() -> None:
    wide = preview_picture(np.zeros((480, 1920, 3), np.uint8), "wide", rows=8)
    high = preview_picture(np.zeros((90, 60, 3), np.uint8), "high", rows=9)
    assert wide.pixels_HW3.shape == (8, 36, 3)
    assert high.pixels_HW3.shape == (18, 12, 3)
