"""Images of a story as pixels: first frames cover the shot, references stay whole on white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.rendering.take_generator import read_cropped, read_whole

SIZE = {"width": 104, "height": 60}  # 832 x 480, divided by 8


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """768 x 1024, divided by 8: gray, with a dark face in the upper third."""
    pixels = np.full((128, 96, 3), 128, np.uint8)
    pixels[8:40, 32:64] = 10
    Image.fromarray(pixels).save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


def face(pixels: np.ndarray) -> int:
    return int((pixels[..., 0] < 60).sum())


def test_a_reference_keeps_the_face_of_a_portrait(portrait: Path) -> None:
    pixels = read_whole(portrait, **SIZE)
    assert (pixels.shape, pixels.dtype) == ((60, 104, 3), np.uint8)
    scale = 60 / 128
    assert face(pixels) == pytest.approx(32 * 32 * scale**2, rel=0.1)
    assert face(read_cropped(portrait, **SIZE)) < 0.5 * 32 * 32 * (104 / 96) ** 2


def test_the_rest_of_a_reference_is_white(portrait: Path) -> None:
    pixels = read_whole(portrait, **SIZE)
    width = round(96 * 60 / 128)
    left = (104 - width) // 2
    assert (pixels[:, : left - 1] == 255).all()
    assert (pixels[:, left + width + 1 :] == 255).all()
    assert (pixels[30, left + 2 : left + width - 2] < 200).all()


def test_a_picture_of_the_same_shape_is_the_same_either_way(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 104, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert (read_whole(tmp_path / "a.png", **SIZE) == noise).all()
    assert (read_cropped(tmp_path / "a.png", **SIZE) == noise).all()


@pytest.mark.parametrize("read", [read_whole, read_cropped])
def test_transparent_pixels_are_white(tmp_path: Path, read: object) -> None:
    pixels = np.zeros((60, 104, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:, 52:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read(tmp_path / "a.png", **SIZE)  # type: ignore[operator]
    assert (found[:, :50] == 255).all()
    assert (found[:, 54:] == [200, 0, 0]).all()


def test_a_palette_with_a_transparent_color_is_white_there(tmp_path: Path) -> None:
    picture = Image.new("P", (104, 60), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png", transparency=0)
    assert (read_whole(tmp_path / "a.png", **SIZE) == 255).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (60, 104), "red")
    picture.paste("blue", (0, 0, 60, 52))
    exif = picture.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    found = read_whole(tmp_path / "a.png", **SIZE)
    assert (found[:, :45] == [255, 0, 0]).all()
    assert (found[:, 60:] == [0, 0, 255]).all()


def test_16_bit_gray_is_scaled(tmp_path: Path) -> None:
    gradient = np.tile(np.linspace(0, 65535, 104).astype(np.uint16), (60, 1))
    Image.fromarray(gradient).save(tmp_path / "a.png")
    found = read_whole(tmp_path / "a.png", **SIZE)
    assert abs(int(found[30, 52, 0]) - 128) < 4
    assert (np.diff(found[30, :, 0].astype(int)) >= 0).all()
