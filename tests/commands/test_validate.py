from __future__ import annotations

from pathlib import Path

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, change


def test_valid_story_prints_nothing_to_stdout(onestory: Onestory, story: Path) -> None:
    result = onestory("validate", story)
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, "", "film.story.yaml: ok, 3 shots\n")


def test_findings_are_the_result(onestory: Onestory, story: Path) -> None:
    change(story, "$fox waves", "$foks waves")
    result = onestory("validate", story)
    assert result.exit is ExitCode.FINDINGS
    assert result.out.startswith('error[S104]: unknown character "foks" in shot "return"\n')
    assert "film.story.yaml:14:14" in result.out
    assert 'help: did you mean "fox"?' in result.out
    assert result.err == "film.story.yaml: 1 error\n"


def test_limits_of_the_model_are_checked(onestory: Onestory, story: Path) -> None:
    change(story, "caption: A city at night.", "caption: A city at night.\n    frames: 6")
    result = onestory("validate", story, "--format", "concise")
    assert result.exit is ExitCode.FINDINGS
    assert result.out == "film.story.yaml:13:13: error[S210] 6 frames is not 4k+1 (use 5 or 9)\n"


def test_unknown_model_is_reported_at_its_line(onestory: Onestory, story: Path) -> None:
    change(story, "model: model", "model: storyword")
    result = onestory("validate", story, "--format", "concise")
    assert result.exit is ExitCode.FINDINGS
    assert result.out.startswith("film.story.yaml:3:8: error[M501] ")


def test_several_files_are_all_checked(onestory: Onestory, story: Path) -> None:
    bad = Path("bad.story.yaml")
    bad.write_text(story.read_text().replace("$fox waves", "$foks waves"))
    result = onestory("validate", bad, story, "gone.story.yaml", "--json")
    assert result.exit is ExitCode.FINDINGS
    assert result.json["schema"] == "onestory.validate.v1"
    assert result.json["ok"] is False
    assert [(file["file"], file["ok"], file["shots"]) for file in result.json["files"]] == [
        ("bad.story.yaml", False, 0),
        ("film.story.yaml", True, 3),
        ("gone.story.yaml", False, 0),
    ]
    assert result.json["files"][0]["findings"][0]["place"] == {
        "path": "bad.story.yaml",
        "line": 14,
        "column": 14,
        "length": 5,
        "source_line": "    caption: $foks waves on $beach.",
    }


def test_format_json_is_the_json_document(onestory: Onestory, story: Path) -> None:
    assert onestory("validate", story, "--format", "json").out == onestory("validate", story, "--json").out


def test_warnings_do_not_fail(onestory: Onestory, story: Path) -> None:
    change(story, "settings:", "  bear: {look: a brown bear}\nsettings:")
    result = onestory("validate", story)
    assert result.exit is ExitCode.DONE
    assert result.out.startswith("warning[W")
    assert result.err == "film.story.yaml: ok, 3 shots, 1 warning\n"


def test_github_annotations(onestory: Onestory, story: Path) -> None:
    change(story, "$fox waves", "$foks waves")
    result = onestory("validate", story, "--format", "github")
    assert result.out == (
        "::error file=film.story.yaml,line=14,col=14,title=S104::"
        'unknown character "foks" in shot "return"%0Adid you mean "fox"?\n'
    )
