"""Scores are drawn if they belong to these exact clips, and rejected otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.report.data import FilmReport
from onestory_cli.report.scores import read_scores

Document = dict[str, Any]
IDENTITY: dict[str, dict[str, float | None]] = {"opening": {"fox": 1.0}, "city": {}, "return": {"fox": None}}


def document_of(film: FilmReport, identity: dict[str, dict[str, float | None]] = IDENTITY) -> Document:
    """The parts of an `onestory evaluate` result that the reader uses."""
    return {
        "schema": "onestory.evaluation.v1",
        "benchmark": "videos",
        "scores": {},
        "provenance": {"networks": {"embedder": {"source": "likes"}, "detector": {"source": "finds"}, "aligner": None}},
        "shots": [
            {"shot": shot.id, "clip": shot.take.record.files["clip.mp4"].sha256, "identity": identity[shot.id]}
            for shot in film.shots
        ],
    }


def refused(document: object, film: FilmReport) -> OnestoryError:
    Path("scores.json").write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(OnestoryError) as caught:
        read_scores(Path("scores.json"), film)
    assert caught.value.exit is ExitCode.USAGE
    assert "onestory evaluate film.run" in caught.value.help
    return caught.value


def test_scores_of_the_film_are_read_by_character(film: FilmReport) -> None:
    Path("scores.json").write_text(json.dumps(document_of(film)))
    scores = read_scores(Path("scores.json"), film)
    assert scores.identity == {"fox": {"opening": 1.0, "return": None}}
    assert scores.by == "finds and likes"


@pytest.mark.parametrize("role", ["detector", "embedder"])
def test_identity_needs_both_networks(film: FilmReport, role: str) -> None:
    document = document_of(film)
    document["provenance"]["networks"][role] = None
    Path("scores.json").write_text(json.dumps(document))
    assert read_scores(Path("scores.json"), film).by == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: "{", "is not JSON"),
        (lambda document: "[" * 100_000, "is not JSON"),
        (lambda document: [], "does not hold the scores of a film"),
        (lambda document: {**document, "benchmark": "storyworld"}, "has the scores of a model"),
        (lambda document: {**document, "schema": "onestory.evaluation.v2"}, "'onestory.evaluation.v1' was expected"),
        (lambda document: {**document, "shots": [{"shot": "opening"}]}, "'clip' is a required property"),
        (lambda document: json.dumps(document).replace("1.0", "NaN"), "NaN is not a number"),
        (lambda document: json.dumps(document).replace("1.0", "1e9"), "is greater than the maximum of 1"),
        (lambda document: json.dumps(document).replace("1.0", '"1.0"'), "does not hold the scores of a film"),
    ],
)
def test_a_broken_file_is_refused(film: FilmReport, change: Callable[[Document], object], message: str) -> None:
    error = refused(change(document_of(film)), film)
    assert error.code == "R417"
    assert message in error.message


def test_missing_file_is_rejected(film: FilmReport) -> None:
    with pytest.raises(OnestoryError, match="cannot be read: No such file") as caught:
        read_scores(Path("nowhere.json"), film)
    assert caught.value.code == "R417"


def test_scores_of_other_clips_are_refused(film: FilmReport) -> None:
    other = document_of(film)
    for row in other["shots"]:
        row["clip"] = "0" * 64
    assert "has scores of another film" in str(refused(other, film))
    older = document_of(film)
    older["shots"][1]["clip"] = "0" * 64
    error = refused(older, film)
    assert error.code == "R418"
    assert "was measured on other takes of city" in str(error)


def test_reference_shot_must_still_be_the_first(film: FilmReport) -> None:
    turned = document_of(film)
    turned["shots"].reverse()
    assert "in another order" in str(refused(turned, film))
    longer = document_of(film)
    longer["shots"].append({"shot": "sea", "clip": "0" * 64, "identity": {}})
    assert "on other shots" in str(refused(longer, film))
