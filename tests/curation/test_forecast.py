"""Disk use is estimated before the start, and the time left from what was computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.curation.forecast import Remaining, estimate_disk
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.errors import ExitCode, OnestoryError


def test_the_estimate_grows_with_the_length_of_the_videos(footage: Path, tmp_path: Path) -> None:
    videos = sorted(footage.iterdir())
    few, many = (estimate_disk(videos * count, tmp_path / "set", CurateRecipe()) for count in (1, 200))
    assert few.seconds == pytest.approx(2 * 100 / 16, abs=0.2)
    assert many.seconds == pytest.approx(200 * few.seconds, rel=0.01)
    assert 100 * few.needed < many.needed < 200 * few.needed  # only the first videos have pictures


def test_a_video_that_cannot_be_read_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    assert estimate_disk([tmp_path / "broken.mp4"], tmp_path, CurateRecipe()).seconds == 0


def test_a_set_that_does_not_fit_is_refused(footage: Path, tmp_path: Path) -> None:
    disk = estimate_disk([*footage.iterdir()], tmp_path, CurateRecipe())
    disk.require_space(tmp_path)
    with pytest.raises(OnestoryError) as caught:
        replace(disk, free=disk.needed - 1).require_space(tmp_path)
    assert (caught.value.code, caught.value.exit) == ("T656", ExitCode.MACHINE)


def test_time_left_follows_the_bytes_that_were_computed() -> None:
    now = [0.0]
    left = Remaining([100, 100, 300, 500], clock=lambda: now[0])
    now[0] = 5.0
    assert left.done(0, computed=False) == 0.0
    now[0] = 7.0
    assert left.done(1, computed=True) == pytest.approx(2 * 8)
    now[0] = 13.0
    assert left.done(2, computed=True) == pytest.approx(8 / 400 * 500)
