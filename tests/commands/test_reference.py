"""Commands without a story: new, explain, schema, models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.codes import CODES
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_new_writes_a_story_and_prints_its_path(onestory: Onestory, story: Path) -> None:
    result = onestory("new", "lost-kite")
    assert (result.exit, result.out) == (ExitCode.DONE, "lost-kite.story.yaml\n")
    assert result.err == "next: onestory render lost-kite.story.yaml\n"
    assert onestory("new", "films/kite.story.yaml", "--json").json == {
        "schema": "onestory.new.v1",
        "path": "films/kite.story.yaml",
        "next": ["onestory render films/kite.story.yaml"],
    }


def test_a_new_story_has_its_schema_next_to_it(onestory: Onestory, story: Path) -> None:
    schema = Path("films/story.v1.schema.json")
    onestory("new", "films/kite")
    first_line = Path("films/kite.story.yaml").read_text().splitlines()[0]
    assert schema.parent / first_line.partition("$schema=")[2] == schema
    assert json.loads(schema.read_text()) == onestory("schema").json
    schema.write_text(schema.read_text().replace("Keys that start", "Of an old version. Keys that start"))
    assert onestory("new", "films/fox").exit is ExitCode.DONE
    assert json.loads(schema.read_text()) == onestory("schema").json
    schema.write_text("my own file")
    assert "editors will not find the schema" in onestory("new", "films/robot").err
    assert schema.read_text() == "my own file"


def test_a_schema_is_installed_into_the_current_folder(onestory: Onestory, story: Path) -> None:
    assert onestory("schema", "--install").out == "story.v1.schema.json\n"
    assert json.loads(Path("story.v1.schema.json").read_text()) == onestory("schema").json
    assert onestory("schema", "shots", "--install").out == "shots.v1.schema.json\n"


def test_new_never_overwrites(onestory: Onestory, story: Path) -> None:
    before = story.read_text()
    result = onestory("new", "film")
    assert result.exit is ExitCode.FINDINGS
    assert result.err.startswith("error[U605]")
    assert story.read_text() == before


@pytest.mark.parametrize(
    ("name", "exit", "code"),
    [
        (".", ExitCode.USAGE, "U606"),
        ("film.story.yaml/kite", ExitCode.FINDINGS, "U605"),
        ("k" * 300, ExitCode.MACHINE, "U608"),
    ],
)
def test_new_refuses_impossible_names(onestory: Onestory, story: Path, name: str, exit: ExitCode, code: str) -> None:
    result = onestory("new", name)
    assert result.exit is exit
    assert result.err.startswith(f"error[{code}]")


@pytest.mark.parametrize("code", {code[0]: code for code in CODES}.values())  # one per area
def test_code_is_explained(onestory: Onestory, code: str) -> None:
    result = onestory("explain", code.lower())
    assert result.exit is ExitCode.DONE
    assert result.out.startswith(f"{CODES[code].severity}[{code}]: {CODES[code].title}\n")
    assert all(line in result.out for line in CODES[code].good.splitlines())


def test_explain_lists_all_codes(onestory: Onestory) -> None:
    assert len(onestory("explain").out.splitlines()) == len(CODES) + 1
    assert [row["code"] for row in onestory("explain", "--json").json["codes"]] == list(CODES)


def test_explain_rejects_an_unknown_code(onestory: Onestory) -> None:
    result = onestory("explain", "S1044")
    assert result.exit is ExitCode.USAGE
    assert "did you mean" in result.err


def test_schema_prints_the_shipped_file(onestory: Onestory) -> None:
    shipped = json.loads((Path(__file__).parents[2] / "schemas" / "story.v1.schema.json").read_text())
    assert onestory("schema").json == shipped
    assert onestory("schema", "story", "--json").json["json_schema"] == shipped
    assert onestory("schema", "stroy").exit is ExitCode.USAGE


def test_models(onestory: Onestory) -> None:
    document = onestory("models", "--json").json
    assert document["schema"] == "onestory.models.v1"
    rows = {model["name"]: model for model in document["models"]}
    assert next(iter(rows)) == "storyworld"
    assert (rows["storyworld"]["present"], rows["storyworld"]["remembers"]) == ("yes", "context")
    assert "storyworld" not in document["missing"]
    assert onestory("models").out.splitlines()[1].startswith("storyworld ")


def test_train_never_overwrites_a_training(onestory: Onestory, story: Path) -> None:
    Path("recipe.train").mkdir()
    Path("recipe.train/log.jsonl").write_text("")
    result = onestory("train", "recipe.yaml")
    assert result.exit is ExitCode.USAGE
    assert result.err.startswith("error[U603]")
