"""The result as JSON, table and Markdown; unknown values are null and a dash."""

from __future__ import annotations

import json

from onestory_cli.evaluation.videos.result import COLUMNS, SHOT_COLUMNS, Entity, Score, ShotMeasures, VideoResult

RESULT = VideoResult(
    film="film.run",
    missing=("sea",),
    shots=(
        ShotMeasures(
            shot="opening",
            clip="3f9a",
            frames=17,
            alignment=0.25,
            caption_read=True,
            subject=0.9,
            background=None,
            motion=0.03,
            dynamic=True,
            drift=1.5,
            cuts=(6, 9),
            flashes=(),
            found={"fox": 8},
        ),
        ShotMeasures(
            shot="city",
            clip="c0ff",
            frames=1,
            alignment=None,
            caption_read=None,
            subject=None,
            background=None,
            motion=None,
            dynamic=None,
            drift=0.0,
            cuts=(),
            flashes=(),
            found={},
        ),
    ),
    characters=(
        Entity(id="fox", shots=3, found=2, likeness=0.5),
        Entity(id="owl", shots=2, found=0, likeness=None),
        Entity(id="crow", shots=2, found=None, likeness=None),
    ),
    settings=(Entity(id="beach", shots=1, found=1, likeness=None),),
    seconds=1.5,
)


def test_mean_is_over_known_values() -> None:
    assert Score.mean([0.5, None, 1.0], "shots") == Score(value=0.75, n=2, of=3, unit="shots")
    assert Score.mean([None], "shots").value is None
    assert Score.mean([], "shots") == Score(value=None, n=0, of=0, unit="shots")


def test_unknown_values_are_null_in_json() -> None:
    document = json.loads(json.dumps(RESULT.document()))
    assert (document["schema"], document["benchmark"]) == ("onestory.evaluation.v1", "videos")
    assert document["scores"]["character consistency"] == {
        "value": 0.5,
        "n": 1,
        "of": 3,
        "unit": "characters that return",
    }
    assert document["scores"]["environment consistency"] == {
        "value": None,
        "n": 0,
        "of": 0,
        "unit": "settings that return",
    }
    assert document["missing"] == ["sea"]
    assert document["shots"][1]["alignment"] is document["characters"][1]["likeness"] is None


def test_unknown_values_are_dashes_in_tables() -> None:
    rows = {row[0].strip(): row[1:] for row in RESULT.table()}
    assert rows["character consistency"] == ("0.5000", "1 of 3 characters that return")
    assert rows["background consistency"] == ("-", "0 of 2 shots")
    assert rows["owl"] == ("-", "0 of 2 shots")
    assert rows["crow"] == ("-", "- of 2 shots")
    opening, city = RESULT.shot_table()
    assert opening == ("opening", "0.2500", "0.9000", "-", "0.0300", "yes", "1.5000", "6, 9", "-", "fox 8")
    assert city == ("city", *"-----", "0.0000", *"---")
    assert rows["stray cuts"] == ("2", "2 of 2 shots")
    assert all(len(row) == len(COLUMNS) for row in RESULT.table())
    assert all(len(row) == len(SHOT_COLUMNS) for row in RESULT.shot_table())


def test_markdown_contains_both_tables() -> None:
    lines = RESULT.markdown().splitlines()
    assert lines[0] == "| measure | value | measured on |"
    assert "| " + " | ".join(SHOT_COLUMNS) + " |" in lines
    assert "| opening | 0.2500 | 0.9000 | - | 0.0300 | yes | 1.5000 | 6, 9 | - | fox 8 |" in lines
