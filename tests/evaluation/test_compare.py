"""Comparison of two results: paired by story, with the settings that differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.evaluation.compare import compare_results, read_other
from onestory_cli.evaluation.result import SCHEMA, BenchmarkResult, words
from onestory_cli.evaluation.statistics import Estimate, tally
from onestory_cli.evaluation.variants import Variant

ROW = "later: colour"


def result(films: dict[str, list[float]], *, name: str = "adaptive", steps: int = 12) -> BenchmarkResult:
    """A result with one variant and one row, with the answers of every film."""
    item = tally(list(films.values()))
    return BenchmarkResult(
        model="tiny",
        suite="stories",
        variants=(Variant(name=name, policy="adaptive", frames=8, budget=1.0),),
        films=tuple(films),
        shown=(ROW,),
        rows={},
        differences={},
        tallies={name: {ROW: item}},
        selector=None,
        readout={},
        seconds=1.0,
        provenance={"fingerprint": "abc", "conduct": {"schedule": {"steps": steps}, "batch": 16}},
    )


def written(item: BenchmarkResult, path: Path) -> Path:
    path.write_text(json.dumps(item.document()))
    return path


def test_only_shared_stories_are_compared_and_paired(tmp_path: Path) -> None:
    then = result({"a": [0.0], "b": [1.0, 0.0], "gone": [1.0] * 9})
    now = result({"new": [0.0] * 9, "b": [1.0, 1.0], "a": [1.0]})
    comparison = compare_results(now, read_other(written(then, tmp_path / "then.json")))
    assert comparison.films == 2
    assert comparison.shares["adaptive, this"][ROW].percent == 100
    assert comparison.shares["adaptive, that"][ROW].percent == pytest.approx(100 / 3, abs=0.1)
    change = comparison.differences["adaptive: this - that"][ROW]
    assert words(change, signed=True) == "+67"


def test_rounded_zero_has_no_sign() -> None:
    tiny = Estimate(percent=-0.04, low=-0.4, high=0.04, n=3)
    assert words(tiny, signed=True) == "+0 (+0 to +0)"
    assert words(tiny, digits=1, signed=True) == "+0.0 (-0.4 to +0.0)"


def test_single_columns_are_compared_regardless_of_their_names(tmp_path: Path) -> None:
    films = {"a": [1.0], "b": [0.0]}
    then = read_other(written(result(films, name="recent"), tmp_path / "then.json"))
    comparison = compare_results(result(films), then)
    assert list(comparison.shares) == ["adaptive, this", "recent, that"]


def test_different_settings_are_reported(tmp_path: Path) -> None:
    films = {"a": [1.0], "b": [0.0]}
    comparison = compare_results(result(films), read_other(written(result(films, steps=24), tmp_path / "then.json")))
    assert comparison.unequal == ("steps",)
    assert comparison.note().endswith("paired over 2 stories; different settings: steps")


def test_different_memory_settings_are_reported(tmp_path: Path) -> None:
    now = result({"a": [1.0], "b": [0.0]})
    (variant,) = now.variants
    settings = replace(now, provenance={**now.provenance, "conduct": {"schedule": {"steps": 12, "memory_guidance": 9}}})

    def unequal(**change: object) -> tuple[str, ...]:
        then = replace(settings, variants=(replace(variant, **change),))
        return compare_results(now, read_other(written(then, tmp_path / "then.json"))).unequal

    assert unequal() == ()
    assert unequal(budget=4.0, frames=6, guidance=3.0) == ("budget", "frames", "memory guidance")
    assert unequal(policy="recent", name="adaptive") == ("policy",)


def test_policy_none_is_equal_at_any_budget(tmp_path: Path) -> None:
    now = result({"a": [1.0], "b": [0.0]}, name="none")
    now = replace(now, variants=(replace(now.variants[0], policy="none"),))
    then = replace(now, variants=(replace(now.variants[0], budget=4.0),))
    assert compare_results(now, read_other(written(then, tmp_path / "then.json"))).unequal == ()


def test_results_with_too_little_in_common_are_rejected(tmp_path: Path) -> None:
    now = result({"a": [1.0], "b": [0.0]})
    (variant,) = now.variants
    others = (
        result({"a": [1.0], "c": [0.0]}),
        replace(now, suite="ladder"),
        replace(
            now,
            variants=tuple(replace(variant, name=name) for name in ("recent", "last")),
            tallies={"recent": now.tallies["adaptive"], "last": now.tallies["adaptive"]},
        ),
    )
    for other in others:
        with pytest.raises(OnestoryError, match="too little in common"):
            compare_results(now, read_other(written(other, tmp_path / "then.json")))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "onestory.plan.v1"}', f'{{"schema": "{SCHEMA}"}}'])
def test_file_that_is_not_a_result_is_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(OnestoryError) as caught:
        read_other(path)
    assert caught.value.diagnostics[0].code == "T620"
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tallies": []}, "[] is not of type 'object'"),
        ({"tallies": {"adaptive": {ROW: {"asked": [1, 1]}}}}, "'right' is a required property"),
        ({"films": ["a", "b", "c"]}, "it lists 3 films, but the numbers"),
        ({"variants": []}, "there is no variant named adaptive"),
        ({"benchmark": "videos"}, "it is the result of a film"),
        ({"schema": "onestory.evaluation.v2"}, "'onestory.evaluation.v1' was expected"),
    ],
)
def test_incomplete_result_is_rejected_before_generation(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({**result({"a": [1.0], "b": [0.0]}).document(), **change}))
    with pytest.raises(OnestoryError) as caught:
        read_other(path)
    assert caught.value.code == "T620"
    assert said in str(caught.value)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="is not a result of a model"):
        read_other(tmp_path / "nothing.json")
