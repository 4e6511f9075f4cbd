"""Shell completion, through the protocol of the shell."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from typer.main import get_command

from onestory_cli import cli


def offered(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that bash gets when the last word of a command line is completed."""
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setenv("_ONESTORY_COMPLETE", "complete_bash")
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit):
        get_command(cli.open_app()).main([], prog_name="onestory", complete_var="_ONESTORY_COMPLETE")
    return out.getvalue().split()


@pytest.mark.parametrize("option", ["plan film.story.yaml --why", "render film.story.yaml --until", "render --force"])
def test_shots_of_the_story(story: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    named = "film.story.yaml" in option
    assert offered(f"onestory {option} ", monkeypatch) == (["opening", "city", "return"] if named else [])
    assert offered(f"onestory {option} c", monkeypatch) == (["city"] if named else [])


def test_shots_and_profiles_of_a_story_with_findings(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story.write_text(story.read_text().replace("$fox waves", "$foks waves") + "profiles: {draft: {steps: 2}}\n")
    assert offered("onestory plan film.story.yaml --why r", monkeypatch) == ["return"]
    assert offered("onestory render film.story.yaml --profile ", monkeypatch) == ["draft"]


@pytest.mark.parametrize("line", ["take show film.run", "take accept film.run", "inspect-memory film.run --shot"])
def test_shots_of_a_run(film_run: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    assert offered(f"onestory {line} ", monkeypatch) == ["opening", "city", "return"]


@pytest.mark.parametrize("line", ["plan gone.yaml --why ", "plan --profile ", "take show gone.run "])
def test_unreadable_files_complete_to_nothing(story: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    assert offered(f"onestory {line}", monkeypatch) == []


def test_names_and_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("onestory inspect-memory --policy re", monkeypatch) == ["recent"]
    assert "S104" in offered("onestory explain S10", monkeypatch)
    assert "wan2.1-vace-1.3b" in offered("onestory models fetch wan2.1-v", monkeypatch)
