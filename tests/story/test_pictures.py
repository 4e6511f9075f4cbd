"""Pictures are decoded once before any work, and opened as a viewer shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.story import pictures
from onestory_cli.story.pictures import PictureCheck, open_upright


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def noise(path: Path, size: int = 64) -> Path:
    """A picture that compresses badly, so that half of its file is about half of its pixels."""
    pixels_HW3 = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels_HW3).save(path)
    return path


def without_end(path: Path, kept: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_picture_that_is_cut_off(tmp_path: Path, suffix: str, kept: float) -> None:
    finding = PictureCheck()(without_end(noise(tmp_path / f"fox.{suffix}"), kept), '"fox"')
    assert finding is not None
    assert finding.code == "S153"


def test_damaged_picture_states_the_reason(tmp_path: Path) -> None:
    finding = PictureCheck()(without_end(noise(tmp_path / "fox.jpg"), 0.5), '"fox.jpg"')
    assert finding is not None
    assert finding.message.startswith('"fox.jpg" is damaged: image file is truncated')


def test_a_picture_named_as_another_format_is_read(tmp_path: Path) -> None:
    jpeg = noise(tmp_path / "fox.jpg").rename(tmp_path / "fox.png")
    assert PictureCheck()(jpeg, '"fox.png"') is None
    assert open_upright(jpeg).size == (64, 64)


def test_a_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    monkeypatch.setattr(pictures, "_problem", lambda file: decoded.append(file) or "")
    file = noise(tmp_path / "fox.png")
    copy = tmp_path / "copy.png"
    copy.write_bytes(file.read_bytes())
    assert [PictureCheck()(item, '"x"') for item in (file, file, copy)] == [None] * 3
    assert decoded == [file]


def test_a_damaged_picture_is_never_remembered(tmp_path: Path) -> None:
    file = without_end(noise(tmp_path / "fox.jpg"), 0.5)
    assert [PictureCheck()(file, '"x"') is None for _ in range(2)] == [False, False]


def test_decoding_is_bounded_per_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_DECODED_PIXELS", 64 * 64)
    check = PictureCheck()
    assert check(noise(tmp_path / "first.jpg"), '"first.jpg"') is None
    damaged = without_end(noise(tmp_path / "second.webp", 63), 0.5)
    with_rest = check(damaged, '"second.webp"')
    assert with_rest is None or with_rest.message.endswith("is not a readable picture")
    assert PictureCheck()(damaged, '"second.webp"') is not None


def test_a_jpeg_of_many_scans_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    monkeypatch.setattr(pictures, "_problem", lambda file: decoded.append(file) or "")
    file = tmp_path / "fox.jpg"
    Image.new("RGB", (64, 64)).save(file, progressive=True)
    data = file.read_bytes()
    last = data.rindex(b"\xff\xda")
    file.write_bytes(data[:last] + data[last:-2] * 201 + data[-2:])
    finding = PictureCheck()(file, '"fox.jpg"')
    assert finding is not None
    assert (finding.code, decoded) == ("S154", [])


def test_16_bit_gray_keeps_its_gradient(tmp_path: Path) -> None:
    gradient_HW = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (8, 1))
    Image.fromarray(gradient_HW).save(tmp_path / "gray.png")
    shown = np.asarray(open_upright(tmp_path / "gray.png"))[0, :, 0].astype(int)
    assert np.abs(shown - np.linspace(0, 255, 64)).max() <= 1


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((0, 0), (0, 0, 255, 255))
    picture.save(tmp_path / "cut-out.png")
    shown = open_upright(tmp_path / "cut-out.png")
    assert (shown.getpixel((0, 0)), shown.getpixel((1, 1))) == ((0, 0, 255), (255, 255, 255))
