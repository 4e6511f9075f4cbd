from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory

SOURCES = Path(__file__).parents[1] / "importers" / "sources"


@pytest.fixture
def kite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SOURCES / "storymem.json", "kite.json")
    return Path("kite.json")


def test_imported_story_validates(onestory: Onestory, kite: Path) -> None:
    result = onestory("import", kite)
    assert (result.exit, result.out) == (ExitCode.DONE, "kite.story.yaml\n")
    assert 'warning[W701]: "music" is dropped (scenes[1].music)' in result.err
    assert onestory("validate", "kite.story.yaml").exit is ExitCode.DONE


def test_json(onestory: Onestory, kite: Path) -> None:
    result = onestory("import", kite, "--out", "film.story.yaml", "--from", "storymem", "--json")
    assert result.json["schema"] == "onestory.import.v1"
    assert result.json["path"] == "film.story.yaml"
    assert result.json["format"] == "storymem"
    assert result.json["shots"] == ["scene1-shot1", "scene1-shot2", "scene2-shot1"]
    assert {item["code"] for item in result.json["findings"]} == {"W701", "W702"}


def test_existing_story_is_not_overwritten(onestory: Onestory, kite: Path) -> None:
    Path("kite.story.yaml").write_text("mine")
    assert onestory("import", kite).exit is ExitCode.FINDINGS
    assert Path("kite.story.yaml").read_text() == "mine"


def test_rejected_source_writes_nothing(onestory: Onestory, kite: Path) -> None:
    kite.write_text('{"scenes": [{"video_prompts": [1]}]}')
    result = onestory("import", kite)
    assert result.exit is ExitCode.FINDINGS
    assert "error[I702]: expected text (scenes[0].video_prompts[0])" in result.err
    assert not Path("kite.story.yaml").exists()


def test_one_line_of_many_is_imported(onestory: Onestory, kite: Path) -> None:
    shutil.copy(SOURCES / "memflow.jsonl", "prompts.jsonl")
    assert onestory("import", "prompts.jsonl").exit is ExitCode.USAGE
    assert onestory("import", "prompts.jsonl", "--number", "2").out == "prompts-2.story.yaml\n"


def test_missing_file_is_reported(onestory: Onestory, kite: Path) -> None:
    result = onestory("import", "kit.json")
    assert result.exit is ExitCode.FINDINGS
    assert "error[S101]" in result.err
