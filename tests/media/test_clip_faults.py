"""Good clips pass every check, and clips with one fault fail only that check, at the right frame."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.media.clip_faults import measure, places, sudden
from onestory_cli.quality import BLACK, CUT, FLASH, FROZEN, RULES, fault_severity, faults, judge
from tests.media.alarms import Pixels, alarms, found_faults, storyworld_clips


@pytest.fixture(scope="module")
def clips() -> list[Pixels]:
    """Two shots of one story with visible characters."""
    return [clip.pixels_PHWC for clip in storyworld_clips(stories=1) if clip.actors][:2]


def pan(frames: int, seed: int = 0, speed: int = 2) -> Pixels:
    """A camera that moves over a wide picture of blobs."""
    blobs = np.random.default_rng(seed).integers(40, 216, (6, 20, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    return np.stack([blobs[:, index * speed : index * speed + 96] for index in range(frames)])


def bad(pixels_PHWC: Pixels) -> set[str]:
    return {name for name, value in measure(pixels_PHWC).items() if judge(name, value).bad}


def cuts_and_flashes(pixels_PHWC: Pixels) -> tuple[tuple[int, ...], tuple[int, ...]]:
    cuts, flashes = sudden(pixels_PHWC)
    return places(cuts, CUT), places(flashes, FLASH)


def brightened(pixels_PHWC: Pixels, frames: slice, by: int) -> Pixels:
    changed = pixels_PHWC.astype(np.int16)
    changed[frames] += by
    return changed.clip(0, 255).astype(np.uint8)


def test_good_clips_pass(clips: list[Pixels]) -> None:
    assert [bad(clip) for clip in clips] == [set(), set()]


@pytest.mark.parametrize("speed", [0, 1, 3, 6])
def test_camera_motion_is_not_a_fault(speed: int) -> None:
    assert bad(pan(17, speed=speed)) == (set() if speed else {FROZEN})


def test_noise_is_not_a_fault_and_hides_no_cut() -> None:
    noise = np.random.default_rng(2).integers(0, 60, (17, 96, 96, 3), dtype=np.uint8)
    still = pan(17, speed=0) // 2
    assert bad(still + noise) == set()
    still[8:] = pan(17, seed=1, speed=0)[8:] // 2
    assert bad(still + noise) == {CUT}


@pytest.mark.parametrize("at", [1, 2, 8, 15, 16])
@pytest.mark.parametrize("speed", [0, 2])
def test_a_cut_is_found_at_its_frame(at: int, speed: int) -> None:
    clip = pan(17, speed=speed)
    clip[at:] = pan(17, seed=1, speed=speed)[at:]
    assert cuts_and_flashes(clip) == ((at,), ())


def test_two_cuts_are_two() -> None:
    clip = pan(18)
    clip[6:12] = pan(18, seed=1)[6:12]
    assert cuts_and_flashes(clip) == ((6, 12), ())


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("at", [1, 7, 14])
@pytest.mark.parametrize("kind", ["white", "black", "another picture"])
def test_a_flash_is_found_and_is_not_a_cut(at: int, length: int, kind: str) -> None:
    clip = pan(17, speed=1)
    clip[at : at + length] = {"white": 255, "black": 0, "another picture": pan(17, seed=1)[at : at + length]}[kind]
    assert cuts_and_flashes(clip) == ((), tuple(range(at, at + length)))


@pytest.mark.parametrize("by", [-90, 90])
def test_lasting_or_weak_light_is_not_a_flash(clips: list[Pixels], by: int) -> None:
    middle = clips[0] // 2 + 64
    assert bad(brightened(middle, slice(7, 8), by)) == {FLASH}
    assert FLASH not in bad(brightened(middle, slice(7, 17), by))
    assert FLASH not in bad(brightened(middle, slice(7, 8), by // 12))


def test_slow_changes_of_light_are_not_a_fault() -> None:
    steps = np.linspace(0.4, 1, 17)[:, None, None, None]
    assert bad((pan(17) * steps).astype(np.uint8)) == set()


def test_a_frozen_clip_is_a_fault_and_a_moving_corner_is_not(clips: list[Pixels]) -> None:
    still = np.repeat(clips[0][:1], 17, axis=0)
    assert bad(still) == {FROZEN}
    still[9:, :8, :8] ^= 64
    assert FROZEN not in bad(still)


def test_a_black_clip_is_a_fault_and_a_fade_is_not(clips: list[Pixels]) -> None:
    assert BLACK in bad(np.zeros_like(clips[0]))
    fade = np.concatenate([np.zeros_like(clips[0][:4]), clips[0][4:]])
    assert BLACK not in bad(fade)


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips(frames: int) -> None:
    assert bad(pan(frames)) == set()


def test_the_size_of_the_frames_does_not_matter(clips: list[Pixels]) -> None:
    small, large = measure(clips[0]), measure(clips[0].repeat(8, axis=1).repeat(8, axis=2))
    assert large == pytest.approx(small, abs=0.002)


def test_a_value_that_is_not_finite_passes() -> None:
    checks = [judge(FROZEN, None), judge(CUT, 0.5), judge(FROZEN, 0.0), judge(FLASH, 0.05)]
    assert [check.bad for check in checks] == [False, True, True, False]
    assert checks[0].value is None
    assert len(faults(checks)) == fault_severity(checks)[0] == 2
    assert fault_severity([judge(CUT, 0.5)]) > fault_severity([judge(CUT, 0.2)]) > fault_severity([judge(CUT, 0.01)])
    assert str(judge(CUT, 0.25)) == "stray cut 0.25"


@pytest.mark.slow
def test_false_alarms_on_50_true_clips() -> None:
    found = alarms(storyworld_clips(stories=9))
    assert found["clips"] >= 50
    assert {name: found[name] for name in RULES} == dict.fromkeys(RULES, 0)
    assert found["still empty places, not judged"] > 0


def test_faults_inserted_into_true_clips_are_found() -> None:
    found = found_faults(storyworld_clips(stories=3))
    assert found["clips"] == 18
    assert all(found[name] >= 17 for name in (CUT, "bright flash", "dark flash", "flash of another picture"))
