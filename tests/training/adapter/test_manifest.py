"""Manifests: all faults of all lines are reported, with their positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from onestory_cli import schemas
from onestory_cli.errors import Findings, OnestoryError, format_concise
from onestory_cli.training.adapter.manifest import ManifestShot, read_manifest

TWO: list[dict[str, Any]] = [
    {"start": 0, "end": 2.5, "caption": " A man opens a door. "},
    {"start": 2.5, "end": 5, "caption": "The same man sits down.", "relevance": [0.5]},
]


def written(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "shots.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(Findings) as caught:
        read_manifest(path)
    assert {item.code for item in caught.value.diagnostics} == {"T602"}
    return [f"{item.place.line}: {item.message}" for item in caught.value.diagnostics if item.place]


def test_lines_become_videos(tmp_path: Path) -> None:
    path = written(tmp_path, {"video": "a/b.mp4", "shots": TWO, "x-source": 3}, "", {"video": "/c.mp4", "shots": TWO})
    first, second = read_manifest(path)
    assert (first.path, second.path) == (tmp_path / "a/b.mp4", Path("/c.mp4"))
    assert (first.place.line, second.place.line) == (1, 3)
    assert first.shots[0] == ManifestShot(start=0.0, end=2.5, caption="A man opens a door.")
    assert first.shots[1].relevance == (0.5,)


def test_all_faults_are_reported_at_once_with_line_numbers(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"video": "a.mp4", "shots": TWO},
        '{"video": ',
        {"video": "a.mp4", "shots": TWO[:1]},
        {"video": "a.mp4", "shots": [{**TWO[0], "captoin": "x"}, TWO[1]]},
        {"video": "a.mp4", "shots": [{**TWO[0], "end": 0.0}, {**TWO[1], "relevance": [2]}]},
        {"video": "a.mp4", "shots": [TWO[0], {**TWO[1], "start": 1, "end": 1, "relevance": [0, 0]}]},
    )
    assert faults(path) == [
        "2: the line is not valid JSON: Expecting value: line 1 column 11 (char 10)",
        "3: shots: [{'start': 0, 'end': 2.5, 'caption': ' A man opens a door. '}] is too short",
        '4: shots[0]: unknown key "captoin"',
        "5: shots[0].end: 0.0 is less than or equal to the minimum of 0",
        "5: shots[1].relevance[0]: 2 is greater than the maximum of 1",
        "6: shots[1] starts at 1 s, before the previous shot ends at 2.5 s",
        "6: shots[1] ends at 1 s, not after its start at 1 s",
        "6: shots[1].relevance has 2 numbers for 1 earlier shots",
    ]


def test_finding_names_file_line_and_closest_key(tmp_path: Path) -> None:
    path = written(tmp_path, "", {"video": "a.mp4", "shots": [{**TWO[0], "captoin": "x"}, TWO[1]]})
    with pytest.raises(Findings) as caught:
        read_manifest(path)
    said = format_concise(caught.value.diagnostics[0])
    assert said.startswith(f"{path}:2:1: error[T602] shots[0]: ")
    assert said.endswith('(did you mean "caption"?)')


def test_missing_or_empty_file_is_rejected(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.jsonl", "No such file"), (written(tmp_path, "", ""), "names no video")):
        with pytest.raises(OnestoryError, match=said) as caught:
            read_manifest(path)
        assert caught.value.code == "T602"


def test_schema_is_valid_and_its_examples_match_it() -> None:
    schema = schemas.load("shots.v1")
    jsonschema.Draft7Validator.check_schema(schema)
    for definition in (schema, schema["definitions"]["shot"]):
        for field in definition["properties"].values():
            for example in field.get("examples", []):
                jsonschema.Draft7Validator({**field, "definitions": schema["definitions"]}).validate(example)
