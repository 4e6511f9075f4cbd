"""Every check passes good clips of the storyworld and catches the fault that was made for it."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.checks import BLACK, CUT, FLASH, FROZEN, RULES, badness, faults, judge
from onestory_cli.media.faults import SIDE, Pixels, colours, glance, measure
from tests.media.alarms import alarms, storyworld_clips


@pytest.fixture(scope="module")
def clips() -> list[Pixels]:
    """Two shots of one story with characters in them."""
    return [clip.pixels_PHWC for clip in storyworld_clips(stories=1) if clip.actors][:2]


def bad(pixels_PHWC: Pixels) -> set[str]:
    return {name for name, value in measure(pixels_PHWC).items() if judge(name, value).bad}


def brightened(pixels_PHWC: Pixels, frames: slice, by: int) -> Pixels:
    changed = pixels_PHWC.astype(np.int16)
    changed[frames] += by
    return changed.clip(0, 255).astype(np.uint8)


def test_good_clips_pass(clips: list[Pixels]) -> None:
    assert [bad(clip) for clip in clips] == [set(), set()]


@pytest.mark.parametrize("place", [1, 8, 16])
def test_a_cut_is_caught_wherever_it_is(clips: list[Pixels], place: int) -> None:
    shots = [clip.pixels_PHWC for clip in storyworld_clips(stories=2)]
    first, other = shots[0], max(shots, key=lambda clip: np.abs(clip[0].astype(int) - shots[0][0]).mean())
    assert CUT in bad(np.concatenate([first[:place], other[place:]]))


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("by", [-90, 90])
def test_a_flash_is_caught_and_is_no_cut(clips: list[Pixels], length: int, by: int) -> None:
    middle = clips[0] // 2 + 64
    assert bad(brightened(middle, slice(7, 7 + length), by)) == {FLASH}
    assert FLASH not in bad(brightened(middle, slice(7, 17), by))  # it stays so: no flash
    assert FLASH not in bad(brightened(middle, slice(7, 8), by // 12))


def test_a_frozen_clip_is_caught_and_one_with_a_moving_corner_is_not(clips: list[Pixels]) -> None:
    still = np.repeat(clips[0][:1], 17, axis=0)
    assert bad(still) == {FROZEN}
    still[9:, :8, :8] ^= 64
    assert FROZEN not in bad(still)


def test_a_black_clip_is_caught_and_a_fade_is_not(clips: list[Pixels]) -> None:
    assert BLACK in bad(np.zeros_like(clips[0]))
    fade = np.concatenate([np.zeros_like(clips[0][:4]), clips[0][4:]])
    assert BLACK not in bad(fade)


def test_a_pan_is_no_cut() -> None:
    wide_HWC = np.random.default_rng(1).integers(0, 255, (64, 64 + 17 * 4, 3), dtype=np.uint8)
    pan = np.stack([wide_HWC[:, at * 4 : at * 4 + 64] for at in range(17)])
    assert bad(pan) == set()


def test_one_frame_is_no_clip_to_judge() -> None:
    assert bad(np.full((1, 8, 8, 3), 128, np.uint8)) == set()


def test_large_frames_are_looked_at_in_part(clips: list[Pixels]) -> None:
    large = clips[0].repeat(8, axis=1).repeat(8, axis=2)
    assert min(glance(large).shape[1:3]) == SIDE
    small, same = measure(clips[0]), measure(large)
    assert all(abs(small[name] - same[name]) < 1e-9 for name in small)


def test_colours_are_those_of_cielab() -> None:
    sides = np.zeros((4, 8, 8, 3), np.uint8)
    sides[2:] = (255, 0, 0)
    black, red = colours(sides, 2)
    assert np.allclose(black, 0, atol=0.01)
    assert np.allclose(red, (53.24, 80.09, 67.20), atol=0.1)


def test_a_number_that_cannot_be_told_is_not_judged() -> None:
    checks = [judge(FROZEN, None), judge(CUT, 0.5), judge(FROZEN, 0.0), judge(FLASH, 0.1)]
    assert [check.bad for check in checks] == [False, True, True, False]
    assert checks[0].value is None
    assert len(faults(checks)) == badness(checks)[0] == 2
    assert badness([judge(CUT, 0.5)]) > badness([judge(CUT, 0.2)]) > badness([judge(CUT, 0.01)])
    assert str(judge(CUT, 0.25)) == "stray cut 0.25"


def test_false_alarms_on_50_true_clips() -> None:
    found = alarms(storyworld_clips(stories=9))
    assert found["clips"] >= 50
    assert {name: found[name] for name in RULES} == dict.fromkeys(RULES, 0)
    assert found["empty places that stand still, not judged"] > 0
