"""Characters are cut out on white; a picture in which none is found stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.models.character_crops import CharacterCropper, Picture, load_downloaded_detector, on_white
from onestory_cli.models.detection import Box

GREEN, RED = (20, 160, 60), (200, 30, 30)


def box(left: int, top: int, right: int, bottom: int) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom, score=1.0)


def picture(*boxes: Box) -> Picture:
    """Red boxes on green."""
    pixels = np.full((48, 80, 3), GREEN, np.uint8)
    for item in boxes:
        pixels[item.top : item.bottom, item.left : item.right] = RED
    return pixels


def frame(level: str) -> SelectedFrame:
    return SelectedFrame(source="a", digest="", index=0, score=0.0, level=level, tokens=0)


def cropper(*found: Box | None) -> CharacterCropper:
    """A cropper whose detector finds one box per look."""

    def find(frames: Sequence[np.ndarray], looks: Sequence[str]) -> list[list[Box | None]]:
        assert len(looks) == len(found)
        return [[item] * len(frames) for item in found]

    return CharacterCropper(lambda name: cast("Any", SimpleNamespace(find=find, network=name)))


def share(pixels: Picture, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels.astype(int) - colour).max(-1) < 40).mean())


def test_a_character_fills_the_height_on_white() -> None:
    body = box(10, 8, 20, 40)
    cut = on_white(picture(body), [body])
    assert cut.shape == (48, 80, 3)
    assert (cut[:, 0] == 255).all()
    assert share(cut[:, 35:45], RED) > 0.85
    assert share(cut, GREEN) < 0.07  # the margin of the box
    assert share(picture(body), GREEN) > 0.8


def test_two_characters_keep_their_distance_and_nothing_between_them() -> None:
    left, right = box(4, 10, 14, 34), box(60, 10, 70, 34)
    cut = on_white(picture(left, right), [left, right])
    assert (cut[24, 20:60] == 255).all()
    assert share(cut[14:34], RED) == pytest.approx(0.3, abs=0.12)


def test_a_box_at_the_edge_stays_inside() -> None:
    corner = box(0, 0, 80, 48)
    assert (on_white(picture(corner), [corner]) == picture(corner)).all()


def test_only_frames_of_the_level_character_are_cut() -> None:
    body = box(10, 8, 20, 40)
    whole = picture(body)
    cut, kept = cropper(body, None).crop(
        [whole, whole], [frame("character"), frame("reference")], detector="any", looks=("a red fox", "an owl")
    )
    assert (cut == on_white(whole, [body])).all()
    assert kept is whole


@pytest.mark.parametrize("found", [None, box(1, 1, 5, 5)], ids=["not found", "too small"])
def test_a_picture_without_a_clear_character_stays_whole(found: Box | None) -> None:
    whole = picture()
    (kept,) = cropper(found).crop([whole], [frame("character")], detector="any", looks=("a red fox",))
    assert kept is whole


def test_a_detector_that_is_not_downloaded_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OnestoryError) as caught:
        load_downloaded_detector("dfine-small")
    assert caught.value.code == "M531"
    assert "models fetch ustc-community/dfine-small-coco" in str(caught.value.help)
