from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.export.cut import Cut, read_cut
from onestory_cli.store.run import Run
from tests.commands.conftest import Onestory
from tests.export.conftest import SAID


def test_shots_follow_each_other_with_all_their_takes(cut: Cut) -> None:
    assert [(shot.id, shot.start, shot.end) for shot in cut.shots] == [
        ("opening", 0, 5),
        ("city", 5, 14),
        ("return", 14, 19),
    ]
    assert [[take.record.take for take in shot.takes] for shot in cut.shots] == [[0, 1], [0], [0]]
    assert (cut.title, cut.fps, cut.width, cut.height, cut.frames) == ("The Lost Kite", 8, 32, 32, 19)
    assert (cut.missing, cut.warnings) == ((), ())


def test_empty_lines_of_a_subtitle_are_removed(cut: Cut) -> None:
    assert [shot.subtitle for shot in cut.shots] == [SAID, "", "Über allem"]


def test_a_shot_without_a_take_is_skipped_with_a_warning(run: Path) -> None:
    shutil.rmtree(run / "shots" / "city")
    cut = read_cut(Run.open(run))
    assert [(shot.id, shot.number, shot.start) for shot in cut.shots] == [("opening", 1, 0), ("return", 3, 5)]
    (warning,) = cut.warnings
    assert (warning.code, warning.severity) == ("W801", "warning")
    assert "city" in warning.message


def test_a_damaged_take_is_reported_with_file_and_reason(run: Path) -> None:
    clip = next(run.glob("shots/city/*/clip.mp4"))
    clip.write_bytes(clip.read_bytes()[:-1] + b"?")
    (warning,) = read_cut(Run.open(run)).warnings
    assert f"city ({clip.relative_to(run)}: checksum mismatch)" in warning.message
    assert warning.help == f"onestory resume {run}"


def test_nothing_rendered_is_refused(run: Path) -> None:
    shutil.rmtree(run / "shots")
    with pytest.raises(OnestoryError) as caught:
        read_cut(Run.open(run))
    assert caught.value.code == "R414"


def test_a_new_subtitle_keeps_the_take(onestory: Onestory, subtitled: Path, run: Path) -> None:
    subtitled.write_text(subtitled.read_text().replace("Über allem", "Above all"))
    result = onestory("plan", subtitled, "--exit-code")
    assert result.exit == 0, result.out
    assert "  subtitle: Above all\n" in result.out


def test_the_plan_lists_subtitles(onestory: Onestory, subtitled: Path) -> None:
    assert [shot["subtitle"] for shot in onestory("plan", subtitled, "--json").json["shots"]] == [
        SAID,
        "",
        "Über allem",
    ]
