"""Decode shots to one picture per latent frame, with statistics of light and colour.

Shapes: P pixel frames, T latent frames, H W 3 one picture of 0..255 red, green, blue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import read_clip
from onestory_cli.planning.jobs import REFERENCE_MARK
from onestory_cli.report.data import FilmReport, MemorySource
from onestory_cli.store.takes import Take
from onestory_cli.story.pictures import PictureCheck, open_upright

_LUMA = np.array([0.2126, 0.7152, 0.0722])  # BT.709


@dataclass(frozen=True, kw_only=True)
class ColourStats:
    """Mean luma and colourfulness (max - min of RGB) per frame, 0..1, (P,), and the mean RGB of the clip, 0..255."""

    luma_P: np.ndarray
    colourfulness_P: np.ndarray
    colour: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class ShotPictures:
    """Pictures of the latent frames of a shot (T, H, W, 3) uint8 at the size of the model, and colour statistics."""

    frames_THW3: np.ndarray
    look: ColourStats


def decode_shots(film: FilmReport) -> dict[str, ShotPictures]:
    """Decode every shot: id -> pictures.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    return {shot.id: decode_take(shot.take) for shot in film.shots}


def decode_take(take: Take) -> ShotPictures:
    """Decode the clip of a take.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    pixels_PHW3 = read_clip(take.clip, take.record.clip_size)
    scale = int(take.record.clip["scale"] or 1)
    return ShotPictures(frames_THW3=_latent_pictures(pixels_PHW3, take.shape[1], scale), look=_look(pixels_PHW3))


def source_pictures(source: MemorySource) -> np.ndarray:
    """Decode a source to one picture per latent frame, (T, H, W, 3) uint8, at the size of its file.

    Raises:
        OnestoryError: M508 for an unreadable clip or picture, or one with fewer frames than recorded.
    """
    assert source.file is not None
    if source.name.startswith(REFERENCE_MARK):
        if finding := PictureCheck()(source.file, f'"{source.file}"'):
            raise OnestoryError("M508", finding.message, help="render the story into a new directory")
        pixels_PHW3 = np.asarray(open_upright(source.file))[None]
    else:
        pixels_PHW3 = read_clip(source.file, source.size)
    if len(source.frames) > len(pixels_PHW3):
        message = f'"{source.file}" has {len(pixels_PHW3)} frames; its record says {len(source.frames)}'
        raise OnestoryError("M508", message, help="rerender that shot")
    return _latent_pictures(pixels_PHW3, len(source.frames), 1)


def shown_frames(pixel_frames: int, latent_frames: int) -> list[int]:
    """Index of the pixel frame shown for each latent frame: the first, then the middle of each group.

    A clip that continues the previous one lacks its first frame; then all others are one earlier.
    """
    stride = -(-(pixel_frames - 1) // (latent_frames - 1)) if latent_frames > 1 else 1
    missing = (latent_frames - 1) * stride + 1 - pixel_frames
    return [0, *(max(0, index * stride - stride // 2 - missing) for index in range(1, latent_frames))]


def fitted(pixels_HW3: np.ndarray, width: int, *, even: bool = False) -> np.ndarray:
    """Scale a picture to `width`, keeping its shape; `even` rounds the height up to an even number."""
    height = max(1, round(pixels_HW3.shape[0] * width / pixels_HW3.shape[1]))
    height += height % 2 if even else 0
    return np.asarray(Image.fromarray(pixels_HW3).resize((width, height), Image.Resampling.BOX))


def _latent_pictures(pixels_PHW3: np.ndarray, latent_frames: int, scale: int) -> np.ndarray:
    chosen_THW3 = pixels_PHW3[shown_frames(len(pixels_PHW3), latent_frames)]
    width = pixels_PHW3.shape[2] // scale
    return np.stack([fitted(picture, width) for picture in chosen_THW3]) if scale > 1 else chosen_THW3


def _look(pixels_PHW3: np.ndarray) -> ColourStats:
    step = max(1, pixels_PHW3.shape[2] // 128)  # subsample large frames; the means stay equal
    sampled_PN3 = pixels_PHW3[:, ::step, ::step].reshape(len(pixels_PHW3), -1, 3)
    means_P3 = sampled_PN3.mean(axis=1)
    spread_P = (sampled_PN3.max(axis=2) - sampled_PN3.min(axis=2)).mean(axis=1)
    red, green, blue = (round(float(value)) for value in means_P3.mean(axis=0))
    return ColourStats(luma_P=means_P3 @ _LUMA / 255, colourfulness_P=spread_P / 255, colour=(red, green, blue))
