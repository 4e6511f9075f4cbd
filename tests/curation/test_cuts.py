"""Cuts and fades are found at the exact frame, whatever the rate, the rotation and the bars of a file."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onestory_cli.curation.colour_cuts import SUDDEN_CHANGE, cuts_of, sudden_cuts, unexplained_change
from onestory_cli.curation.cut_stage import cut_video
from onestory_cli.curation.cuts import find_shots
from onestory_cli.curation.detectors import Boundary, boundaries_of, fades_of, is_blend, merged
from onestory_cli.curation.frames import read_facts, small_frames
from onestory_cli.curation.recipe import CutSettings
from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import write_clip
from tests.curation.conftest import FPS, Pixels, shots_of


def find(path: Path) -> list[tuple[float, float, str]]:
    found = find_shots(path, CutSettings(), max_hours=1)
    return [(found.seconds(shot.start), found.seconds(shot.end), shot.begins) for shot in found.shots]


def test_hard_cuts_are_exact(footage: Path) -> None:
    expected = [(25 * index / FPS, 25 * (index + 1) / FPS, "cut" if index else "start") for index in range(4)]
    assert find(footage / "0.mp4") == expected


def test_the_clean_range_leaves_out_a_frame_at_each_cut(footage: Path) -> None:
    found = find_shots(footage / "0.mp4", CutSettings(margin=2), max_hours=1)
    second = found.shots[1]
    assert (found.seconds(second.clean_start), found.seconds(second.clean_end)) == (27 / FPS, 48 / FPS)


def test_a_fade_through_black_is_one_transition(tmp_path: Path) -> None:
    first, second = shots_of(0, 2)
    ramp = np.linspace(1, 0, 6)[:, None, None, None]
    fade = np.concatenate([first[-6:] * ramp, second[:6] * ramp[::-1]]).astype(np.uint8)
    write_clip(tmp_path / "fade.mp4", np.concatenate([first[:-6], fade, second[6:]]), fps=FPS)
    found = find_shots(tmp_path / "fade.mp4", CutSettings(), max_hours=1)
    assert [shot.begins for shot in found.shots] == ["start", "fade"]
    before, after = found.shots
    assert found.seconds(before.clean_end) <= 20 / FPS
    assert found.seconds(after.clean_start) >= 30 / FPS


def write_vfr(path: Path, pixels: Pixels, times: list[int], *, rotation: int = 0) -> None:
    """A file whose frames are shown at the given times in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(pixels, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_times_of_a_variable_rate_are_those_of_the_file(tmp_path: Path) -> None:
    pixels = np.concatenate(shots_of(1, 2))
    times = np.cumsum([40 if index % 3 else 90 for index in range(len(pixels))]).tolist()
    write_vfr(tmp_path / "vfr.mp4", pixels, times)
    (_, cut, _), _ = find(tmp_path / "vfr.mp4")
    assert cut == pytest.approx((times[25] - times[0]) / 1000)


def test_letterbox_bars_are_measured_and_cut_off(tmp_path: Path) -> None:
    pixels = np.pad(np.concatenate(shots_of(1, 2)), ((0, 0), (10, 12), (0, 0), (0, 0)))
    write_clip(tmp_path / "bars.mp4", pixels, fps=FPS)
    found = find_shots(tmp_path / "bars.mp4", CutSettings(), max_hours=1)
    assert found.facts is not None
    assert found.facts.crop == (0, 10, 0, 12)
    assert len(found.shots) == 2


def test_a_video_that_breaks_off_keeps_what_can_be_decoded(footage: Path, tmp_path: Path) -> None:
    with av.open(str(footage / "0.mp4")) as source, av.open(str(tmp_path / "whole.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 7 // 10])
    found = find(tmp_path / "cut.mkv")
    assert [begins for *_, begins in found][:2] == ["start", "cut"]
    assert found[0][1] == pytest.approx(25 / FPS, abs=1e-3)


def test_a_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(OnestoryError, match="cannot be read as video"):
        find_shots(tmp_path / "text.mp4", CutSettings(), max_hours=1)


def test_a_video_that_is_too_long_is_not_decoded(footage: Path) -> None:
    found = find_shots(footage / "0.mp4", CutSettings(), max_hours=1 / 3600)
    assert (found.shots, found.fault) == ((), "longer than 0.000277778 hours")


def test_a_dark_scene_is_not_a_fade() -> None:
    lumas = np.array([80.0] * 5 + [4.0] * 5 + [80.0] * 5)
    assert fades_of(lumas) == []
    assert fades_of(np.array([80.0, 60, 40, 20, 5, 2, 5, 20, 40, 60, 80])) == [Boundary(first=1, last=10, kind="fade")]


def test_a_black_shot_between_cuts_is_not_a_fade() -> None:
    assert fades_of(np.array([80.0] * 5 + [2.0] * 5 + [80.0, 81.0, 82.0, 83.0, 83.0])) == []


def test_a_cut_into_black_and_a_fade_out_of_it() -> None:
    lumas = np.array([80.0] * 5 + [2.0] * 3 + [20.0, 40, 60, 80, 80])
    assert fades_of(lumas) == [Boundary(first=5, last=11, kind="fade")]


def test_a_cut_between_shaking_shots_shows_in_the_colours() -> None:
    changes, distances = np.full(20, 30.0), np.full(20, 0.08)
    distances[9] = 0.25
    assert cuts_of(changes, distances) == [9]
    assert cuts_of(np.full(20, 5.0), distances) == []


def test_a_cut_from_a_calm_to_a_moving_shot_shows_against_the_calm_side() -> None:
    changes, same_colours = np.array([2.0] * 10 + [43.0] + [21.0] * 9), np.zeros(20)
    assert cuts_of(changes, same_colours) == [10]
    assert cuts_of(changes[::-1], same_colours) == [9]
    assert cuts_of(changes / 3, same_colours) == []
    flash = np.array([2.0] * 10 + [90.0, 90.0] + [2.0] * 8)
    assert cuts_of(flash, same_colours) == []


def test_a_small_change_is_a_cut_only_if_all_frames_near_it_are_calm() -> None:
    changes = np.full(20, 0.7)
    changes[9] = 6.0
    assert sudden_cuts(changes, SUDDEN_CHANGE) == {9}
    assert sudden_cuts(changes / 2, SUDDEN_CHANGE) == set()
    changes[13] = 5.0
    assert sudden_cuts(changes, SUDDEN_CHANGE) == set(), "animation that holds each picture for four frames"


def test_movement_by_one_pixel_explains_a_change() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 17, 3), np.uint8)
    moved, other = unexplained_change(noise[:, 1:], noise[:, :-1]), unexplained_change(noise[:, 1:], noise[::-1, :-1])
    assert 4 * moved < other  # only pixels that enter at the edge are left


def test_scores_of_transnet_become_transitions() -> None:
    single, many = np.zeros(40), np.zeros(40)
    single[9] = 0.9
    single[25] = many[22:29] = 0.8
    bright, dark = np.full(40, 90.0), np.full(40, 5.0)
    cut = Boundary(first=10, last=10, kind="cut")
    assert boundaries_of(single, many, bright, 0.5, 3) == [cut, Boundary(first=23, last=29, kind="dissolve")]
    assert boundaries_of(single, many, dark, 0.5, 3)[1].kind == "fade"


def test_disk_error_is_not_stored_as_a_damaged_video(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> object:
        raise av.error.OSError(errno.EIO, "Input/output error", str(footage))

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(OnestoryError) as caught:
        cut_video(footage / "0.mp4", CutSettings(), 1.0)
    assert caught.value.code == "U608"


def test_a_fade_replaces_what_overlaps_it() -> None:
    cut, part = Boundary(first=3, last=3, kind="cut"), Boundary(first=12, last=15, kind="dissolve")
    fade = Boundary(first=10, last=20, kind="fade")
    assert merged([cut, part], [fade]) == [cut, fade]


def test_a_cut_near_a_better_boundary_is_dropped() -> None:
    first, second, near = (Boundary(first=at, last=at, kind="cut") for at in (10, 40, 12))
    assert merged([near, second], [first], apart=4) == [first, second]


def test_a_dissolve_is_a_blend_and_movement_is_not() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (24, 24)).astype(np.uint8) for _ in range(2))
    blend = [(one * (1 - share) + other * share).astype(np.uint8) for share in np.linspace(0, 1, 8)]
    moved = [np.roll(one, step, axis=1) for step in range(8)]
    assert is_blend(blend)
    assert not is_blend(moved)
    assert not is_blend([one] * 8)


def test_frames_of_an_interlaced_video_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "interlaced.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme", "top": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(12):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    facts = read_facts(path)
    times = [float((frame.pts - facts.start) * Fraction(facts.time_base)) for frame in small_frames(path, facts, 64)]
    assert facts.interlaced
    assert times == pytest.approx([number / 25 for number in range(12)], abs=1e-3)
