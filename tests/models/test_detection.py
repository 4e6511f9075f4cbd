"""Boxes of characters: found or not found; of two that cannot be distinguished, neither is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.models.detection import (
    Box,
    CharacterDetector,
    ClassDetector,
    _settle,
    load_detector,
    paint_over,
)
from tests.evaluation.videos.conftest import CPU, network_folders, picture, sure_of_all, sure_of_none

__all__ = ["network_folders", "sure_of_all", "sure_of_none"]

FRAMES = [picture(0), picture(1)]


def box(left: int, top: int, right: int, bottom: int, score: float = 0.5) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom, score=score)


@pytest.fixture(scope="module")
def by_class(network_folders: dict[str, Path]) -> ClassDetector:
    detector = load_detector(str(network_folders["dfine"]), CPU, threshold=0.0)
    assert isinstance(detector, ClassDetector)
    return detector


def test_boxes_are_inside_the_frame(sure_of_all: CharacterDetector, by_class: ClassDetector) -> None:
    for rows in (sure_of_all.find(FRAMES, ["a red fox"]), by_class.find(FRAMES, ["a man in red"])):
        (found,) = rows
        assert len(found) == 2
        for item in found:
            assert item is not None
            assert 0 <= item.left < item.right <= 60
            assert 0 <= item.top < item.bottom <= 40
            assert item.crop(FRAMES[0]).shape[:2] == (item.bottom - item.top, item.right - item.left)


def test_low_scores_are_not_found(sure_of_none: CharacterDetector, network_folders: dict[str, Path]) -> None:
    assert sure_of_none.find(FRAMES, ["a red fox"]) == [[None, None]]
    usual = load_detector(str(network_folders["dfine"]), CPU)
    assert usual.find(FRAMES, ["a man"]) == [[None, None]]


def test_one_object_is_matched_once(sure_of_all: CharacterDetector) -> None:
    first, second = sure_of_all.find(FRAMES[:1], ["a red fox", "a red fox"])
    assert [first[0], second[0]].count(None) == 1


def test_highest_score_wins_and_separate_objects_are_independent() -> None:
    weak, strong, apart = box(0, 0, 10, 10, 0.4), box(0, 0, 10, 9, 0.6), box(20, 0, 30, 10, 0.1)
    assert _settle([weak, None, strong, apart]) == [None, None, strong, apart]
    assert _settle([box(0, 0, 10, 10), box(5, 0, 15, 10)]) == [box(0, 0, 10, 10), box(5, 0, 15, 10)]


@pytest.mark.parametrize(
    ("look", "label"),
    [("an old man with a dog", 0), ("A Dog in a coat", 1), ("a person", 0), ("a red fox", None), ("", None)],
)
def test_class_of_a_look_is_its_first_known_word(by_class: ClassDetector, look: str, label: int | None) -> None:
    assert by_class.class_of(look) == label


def test_two_characters_of_one_class_are_not_found(by_class: ClassDetector) -> None:
    man, woman, dog, fox = by_class.find(FRAMES, ["a man", "a woman", "a dog", "a fox"])
    assert man == woman == fox == [None, None]
    assert None not in dog


def test_background_is_the_frame_with_boxes_in_the_mean_colour() -> None:
    frame = np.full((4, 6, 3), 10, np.uint8)
    frame[:, :3] = (200, 100, 0)
    painted = paint_over(frame, [box(0, 0, 3, 4)])
    assert (painted == 10).all()
    assert frame[0, 0].tolist() == [200, 100, 0]
    assert np.array_equal(paint_over(frame, []), frame)
    assert (paint_over(frame, [box(0, 0, 6, 4)]) == 0).all()
