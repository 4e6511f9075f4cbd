from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import read_clip
from onestory_cli.rendering.take_generator import read_cropped
from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory
from onestory_cli.report.pictures import decode_shots, fitted, shown_frames, source_pictures
from onestory_cli.report.thumbnails import thumbnail_lines
from tests.report.conftest import without_token_costs


@pytest.mark.parametrize(
    ("pixel_frames", "latent_frames", "shown"),
    [(17, 5, [0, 2, 6, 10, 14]), (1, 1, [0]), (5, 2, [0, 2]), (3, 3, [0, 1, 2]), (16, 5, [0, 1, 5, 9, 13])],
)
def test_a_latent_frame_is_shown_by_the_middle_of_its_group(
    pixel_frames: int, latent_frames: int, shown: list[int]
) -> None:
    assert shown_frames(pixel_frames, latent_frames) == shown


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_every_latent_frame_has_a_picture_of_the_clip(film: FilmReport) -> None:
    shot = film.shot("city")
    seen = decode_shots(film)["city"]
    clip = read_clip(shot.take.clip)
    assert seen.frames_THW3.shape == (2, 32, 32, 3)
    assert (seen.frames_THW3[1] == clip[2]).all()
    assert seen.look.luma_P == pytest.approx(clip.mean(axis=(1, 2, 3)) / 255, abs=1e-3)  # the clip is grey
    assert seen.look.colourfulness_P.max() < 0.02


def test_a_source_is_shown_by_its_own_clip(film: FilmReport) -> None:
    source = film.shot("return").memory.sources[0]
    assert (source_pictures(source) == decode_shots(film)["opening"].frames_THW3).all()


def test_size_of_a_reference_picture_is_checked_before_decoding(tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (4, 4)).save(small)
    header = struct.pack(">II", 20_000, 20_000) + small.read_bytes()[24:29]
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "bomb.png").write_bytes(small.read_bytes()[:16] + header + crc + small.read_bytes()[33:])
    frame = Frame(source="@fox", index=0, score=1.0)
    source = MemorySource(name="@fox", digest="0", gap=None, frames=(frame,), file=small)
    assert source_pictures(source).shape == (1, 4, 4, 3)
    with pytest.raises(OnestoryError) as caught:
        source_pictures(replace(source, file=tmp_path / "bomb.png"))
    assert caught.value.code == "M508"
    assert "pixels" in caught.value.message


def test_a_reference_picture_is_shown_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6  # rotated by 90 degrees
    photo = Image.new("RGB", (64, 32), BLUE)
    photo.paste(RED, (0, 0, 32, 32))
    photo.save(tmp_path / "fox.jpg", exif=turned, quality=95)
    frame = Frame(source="@fox", index=0, score=1.0)
    source = MemorySource(name="@fox", digest="0", gap=None, frames=(frame,), file=tmp_path / "fox.jpg")
    (shown_HW3,) = source_pictures(source)
    assert shown_HW3.shape == (64, 32, 3)
    assert np.abs(shown_HW3[[4, -4], 16].astype(int) - (RED, BLUE)).max() < 8
    assert (shown_HW3 == read_cropped(tmp_path / "fox.jpg", width=32, height=64)).all()


def test_fitted_keeps_the_shape() -> None:
    assert fitted(np.zeros((480, 832, 3), np.uint8), 160).shape == (92, 160, 3)
    assert fitted(np.zeros((30, 100, 3), np.uint8), 10, even=True).shape == (4, 10, 3)


def thumbnails_of(memory: ShotMemory) -> tuple[list[str], list[str]]:
    """All lines, and the headings among them."""
    shown = ["".join(part for part, _ in line) for line in thumbnail_lines(memory, width=80)]
    return shown, [line for line in shown if line and not set(line) & set("▀[")]


def test_thumbnails_are_ordered_and_sized_by_level(film: FilmReport) -> None:
    memory = film.shot("return").memory
    shown, headings = thumbnails_of(memory)
    assert headings == ["medium, 1 token each", "not taken"]
    assert any(line.startswith(f"1 {memory.taken[0]}") for line in shown)


def test_frames_without_token_costs_are_shown_as_selected(film: FilmReport) -> None:
    _, headings = thumbnails_of(without_token_costs(film).shot("return").memory)
    assert headings == ["first-frame, 0 tokens each", "not taken"]
