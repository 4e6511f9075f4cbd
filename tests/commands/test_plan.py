from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, change

NEW = """\
opening: A red fox with a blue scarf walks right on a beach at sunset.
city: A city at night.
return: The same fox waves on the same beach.

shot       film   steps   tokens + context   memory                  plan     why
opening   0.6 s       3   8                  none                    render   new
city      0.6 s       3   8 + 2 (25%)        2 frames of 1 source    render   new
return    0.6 s       3   8 + 2 (25%)        2 frames of 2 sources   render   new

3 shots, 1.9 s of film: 3 to render, 0 kept
"""


def test_new_story_is_all_to_render(onestory: Onestory, story: Path) -> None:
    result = onestory("plan", story)
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, NEW, "")


@pytest.mark.parametrize("seed", ["-1", str(2**53)])
def test_seed_out_of_range_is_rejected(onestory: Onestory, story: Path, seed: str) -> None:
    result = onestory("plan", story, "--seed", seed)
    assert result.exit is ExitCode.USAGE
    assert "--seed" in result.err


def test_rendered_story_is_all_kept(onestory: Onestory, story: Path, film_run: Path) -> None:
    result = onestory("plan", story, "--exit-code")
    assert result.exit is ExitCode.DONE
    assert result.out.count("keep ") == 3
    assert "0 to render, 3 kept" in result.out


def test_edit_is_shown_with_its_reason(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    result = onestory("plan", story, "--exit-code")
    assert result.exit is ExitCode.FINDINGS
    rows = {line.split()[0]: line for line in result.out.splitlines() if "0.6 s" in line}
    assert "keep " in rows["opening"]
    assert rows["city"].endswith("render        caption changed")
    assert rows["return"].endswith("undecided     waits for city[1]")
    assert "1 to render, 1 undecided until their memory is known, 1 kept, about 0:00:" in result.out


def test_json(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    document = onestory("plan", story, "--json").json
    assert document["schema"] == "onestory.plan.v1"
    assert (document["title"], document["model"]["name"], document["pending"]) == ("The Lost Kite", "model", 2)
    opening, city, _ = document["shots"]
    assert (opening["shot"], opening["action"], len(opening["take"])) == ("opening", "keep", 12)
    assert (city["action"], city["reason"]) == ("render", {"kind": "caption", "detail": ""})
    assert city["tokens"] == {"noise": 8, "context": 2, "per_frame": 4}
    assert city["caption"] == "A city at dawn."
    assert document["findings"] == []


def test_warnings_go_to_stderr(onestory: Onestory, story: Path) -> None:
    change(story, "settings:", "  bear: {look: a brown bear}\nsettings:")
    result = onestory("plan", story, "--format", "concise")
    assert result.out == NEW
    assert result.err.startswith("film.story.yaml:6:3: warning[W")


def test_errors_end_the_command(onestory: Onestory, story: Path) -> None:
    change(story, "$fox waves", "$foks waves")
    result = onestory("plan", story, "--json")
    assert result.exit is ExitCode.FINDINGS
    assert result.json["schema"] == "onestory.error.v1"
    assert (result.json["command"], result.json["exit"]) == ("plan", 1)
    assert result.json["diagnostics"][0]["code"] == "S104"


def test_other_seed_renders_every_shot(onestory: Onestory, story: Path, film_run: Path) -> None:
    document = onestory("plan", story, "--seed", "8", "--json").json
    assert [shot["action"] for shot in document["shots"]] == ["render"] * 3
    assert {shot["reason"]["kind"] for shot in document["shots"]} == {"seed"}


def test_memory_lists_the_ids_that_coverage_keeps(onestory: Onestory, story: Path) -> None:
    change(story, "shots:\n", "defaults: {memory: {policy: coverage}}\nshots:\n")
    assert "2 frames of 2 sources with fox, beach" in onestory("plan", story).out


def test_named_run_directory(onestory: Onestory, story: Path, film_run: Path) -> None:
    film_run.rename("elsewhere")
    assert onestory("plan", story, "--json").json["pending"] == 3
    assert onestory("plan", story, "--run", "elsewhere", "--json").json["pending"] == 0


def test_why_shows_the_chain_back_to_the_edit(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    result = onestory("plan", story, "--why", "return")
    assert result.exit is ExitCode.DONE
    head, remembered, *rest = result.out.splitlines()
    assert head.startswith("return: undecided: waits for city[")
    assert remembered.startswith("  its take remembers ")
    assert rest[:2] == ["  city: render: caption changed", "    resolved caption: A city at night. -> A city at dawn."]
    (take,) = film_run.glob("shots/opening/*")
    assert onestory("plan", story, "--why", "opening").out == f"opening: kept (take 0, {take.name[:6]})\n"


def test_why_as_json_and_for_an_unknown_shot(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    document = onestory("plan", story, "--why", "city", "--json").json
    assert (document["schema"], document["action"]) == ("onestory.why.v1", "render")
    assert document["changes"] == [{"field": "caption", "old": "A city at night.", "new": "A city at dawn."}]
    assert onestory("plan", story, "--why", "ctiy").exit is ExitCode.USAGE


def test_github_format_has_annotations_and_no_captions(onestory: Onestory, story: Path) -> None:
    change(story, "settings:", "  bear: {look: a brown bear}\nsettings:")
    result = onestory("plan", story, "--format", "github")
    assert result.err.startswith("::warning file=film.story.yaml,line=6,")
    assert "A city at night" not in result.out
    assert "3 shots" in result.out


def test_github_format_has_errors_as_annotations(onestory: Onestory, story: Path) -> None:
    change(story, "$fox waves", "$foks waves")
    result = onestory("plan", story, "--format", "github")
    assert (result.exit, result.out) == (ExitCode.FINDINGS, "")
    assert result.err.startswith("::error file=film.story.yaml,line=14,")


def test_check_passes_for_a_committed_film_that_is_up_to_date(
    onestory: Onestory, story: Path, film_run: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "elsewhere" / "clone"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false"]
    for arguments in (
        ["init", "-q"],
        ["add", "film.story.yaml", "film.run", "model"],
        ["commit", "-q", "-m", "a film"],
    ):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run([*git, "clone", "-q", ".", clone], check=True)
    committed = clone / story
    assert onestory("plan", committed, "--exit-code").exit is ExitCode.DONE
    change(committed, "title: The Lost Kite", "title: The Found Kite")
    assert onestory("plan", committed, "--exit-code").exit is ExitCode.DONE
    change(committed, "$fox waves", "$fox jumps")
    assert onestory("plan", committed, "--exit-code").exit is ExitCode.FINDINGS
