"""Keyframes by novelty, and the memory of StoryMem."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onestory_cli.memory.keyframes import keyframes
from onestory_cli.memory.policies import POLICIES, FrameRef


def at(*degrees: float) -> Tensor:
    """Unit vectors in a plane; their similarity is the cosine of the angle between them."""
    return torch.tensor([[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle in degrees])


def test_the_first_frame_and_those_that_differ_from_the_last_keyframe() -> None:
    assert keyframes([at(0, 10, 30, 40, 60)]) == [[0, 2, 4]]  # cos(25.8 degrees) is 0.9


def test_the_threshold_falls_until_a_shot_has_three() -> None:
    (found,) = keyframes([at(0, 30, 60, 90, 120, 150)])
    assert len(found) <= 3
    assert found[0] == 0


def test_frames_like_earlier_keyframes_are_left_out() -> None:
    assert keyframes([at(0, 90), at(5, 45, 88), at(180)]) == [[0, 1], [1], [0]]


def test_storymem_keeps_the_first_three_keyframes_and_the_latest() -> None:
    keys = [FrameRef(f"key-{number}", 0) for number in range(12)]
    assert POLICIES["storymem"]([0.0] * 12, keys, 10) == [11, 10, 9, 8, 7, 6, 5, 2, 1, 0]
    assert POLICIES["storymem"]([0.0] * 4, keys[:4], 10) == [3, 2, 1, 0]
    assert POLICIES["storymem"]([0.0] * 12, keys, 2) == [11, 0]
    assert POLICIES["storymem"]([], [], 10) == []


def test_of_whole_shots_the_last_frame_counts() -> None:
    refs = [FrameRef(f"shot-{number}", index) for number in range(3) for index in range(5)]
    assert POLICIES["storymem"]([0.0] * 15, refs, 10) == [14, 9, 4]
