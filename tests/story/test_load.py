from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from onestory_cli.errors import Findings, OnestoryError
from onestory_cli.story.load import load_story, read_story
from onestory_cli.story.text import MAX_BYTES
from tests.story.conftest import HEAD, Found

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.story.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_have_no_findings(path: Path) -> None:
    story, warnings = load_story(path)
    assert warnings == ()
    assert story.source == path.read_bytes()
    assert story.model == "storyworld"


@pytest.mark.parametrize("seed", [-1, 2**53, 2**60])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(OnestoryError, match=f"not {seed}") as caught:
        load_story(EXAMPLES[0], seed=seed)
    assert caught.value.code == "S125"


def test_the_examples_have_the_promised_content() -> None:
    stories = {path.name.removesuffix(".story.yaml"): load_story(path)[0] for path in EXAMPLES}
    assert len(stories) >= 5
    assert len(stories["hide-and-seek"].shots) == 6
    assert len(stories["ten-nights"].shots) == 10
    assert stories["postcard"].shots[0].image
    assert any(item.image for item in stories["postcard"].characters)
    who = [
        {mention.id for mention in shot.mentions if mention.kind == "character"}
        for shot in stories["two-friends"].shots
    ]
    assert {"bear", "rabbit"} in who


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("flim.story.yaml", "no such file"),
        (".", "it is not a file"),
        ("x" * 300, "File name too long"),
        ("a\0b", "null"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "film.story.yaml").write_text("story: 1")
    with pytest.raises(OnestoryError, match=why) as caught:
        load_story(tmp_path / name)
    assert caught.value.code == "S101"
    if name.startswith("flim"):
        assert caught.value.help == 'did you mean "film.story.yaml"?'


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OnestoryError, match="it is not a file"):
        load_story(tmp_path / "pipe")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.story.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 1000)
    with pytest.raises(Findings) as caught:
        load_story(path)
    assert caught.value.code == "S113"


def test_findings_are_in_file_order() -> None:
    text = HEAD + "shots:\n  - {id: a, caption: $x, steps: 0}\n  - {id: a, caption: b, memory: {from: [c]}}\nfps: a\n"
    with pytest.raises(Findings) as caught:
        read_story(text.encode(), "a.story.yaml")
    assert [item.code for item in caught.value.diagnostics] == ["S104", "S125", "S130", "S160", "S122"]
    places = [(item.place.line, item.place.column) for item in caught.value.diagnostics if item.place]
    assert places == sorted(places)
    assert len(places) == 5


def test_one_place_has_one_finding(found: Found) -> None:
    assert found("defaults: {steps: *x}\nshots: [{id: a, caption: A fox., memory: {from: [B]}}]") == ["S110", "S127"]


def test_unreadable_values_cause_no_further_findings(found: Found) -> None:
    assert found("characters: [fox]\nshots: [{id: a, caption: $fox waves.}]") == ["S122"]
    assert found("characters: {fox: a fox}\nshots: [{id: a, caption: $fox waves.}]") == ["S122"]


VALUES = ("null", "[]", "{}", "1", "true", "''", "text", "[[]]", "{a: {}}", "[null]", "{from: {}}", "1.5")
KEYS = ("shots", "characters", "settings", "profiles", "defaults", "output", "model", "style", "seed", "fps", "title")


@pytest.mark.parametrize("key", KEYS)
def test_values_of_any_type_are_handled(key: str) -> None:
    for value in VALUES:
        for text in (
            f"story: 1\n{key}: {value}\n",
            f"{HEAD}shots:\n  - {{id: a, caption: b, {key}: {value}, memory: {value}}}\n",
            f"{HEAD}{key}: {{draft: {value}, seed: {value}, memory: {value}}}\nshots: [{value}]\n",
        ):
            with suppress(OnestoryError):
                read_story(text.encode(), "a.story.yaml", profile="draft")


def test_control_characters_never_reach_a_message(found: Found) -> None:
    with pytest.raises(Findings) as caught:
        read_story((HEAD + 'shots: [{"id\\e": a, caption: "\\e[31m $fo\\e"}]').encode(), "a.story.yaml")
    assert not any("\x1b" in item.message + item.help for item in caught.value.diagnostics)
