"""The manual in the terminal: pages, search and unknown words."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from onestory_cli import cli, manual
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_help_lists_every_page(onestory: Onestory) -> None:
    result = onestory("help")
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == list(manual.TOPICS)
    assert [page["topic"] for page in onestory("help", "--json").json["pages"]] == list(manual.TOPICS)


def test_the_topics_are_the_files() -> None:
    files = {path.stem for path in Path(manual.__file__).parent.glob("*.md")}
    assert files | {"storyworld", "benchmarks"} == set(manual.TOPICS)


@pytest.mark.parametrize("topic", manual.TOPICS)
def test_a_page_is_plain_markdown_in_a_pipe(onestory: Onestory, topic: str) -> None:
    result = onestory("help", topic)
    assert (result.exit, result.err) == (ExitCode.DONE, "")
    assert result.out.startswith("# ")
    assert "<!--" not in result.out
    assert "\x1b" not in result.out


def test_a_page_is_rendered_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    assert cli.run(["help", "character"], Console(stdout=out, stderr=out, color=True)) is ExitCode.DONE
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert "\x1b[" in out.getvalue()
    assert "```" not in plain
    assert "(onestory help redo)" in " ".join(plain.split())
    assert all(len(line) <= 80 for line in plain.splitlines())


@pytest.mark.parametrize("command", ["help", "explain"])
def test_a_word_finds_pages_and_codes(onestory: Onestory, command: str) -> None:
    result = onestory(command, "audio")
    assert result.exit is ExitCode.DONE
    assert re.search(r"^sound ", result.out, re.MULTILINE)
    assert re.search(r"^S171 ", result.out, re.MULTILINE)
    document = onestory(command, "Audio", "--json").json
    assert "sound" in [match["topic"] for match in document["matches"]]
    assert "S171" in [row["code"] for row in document["codes"]]


def test_headings_come_first() -> None:
    assert manual.search("reproducib")[0].section == "Reproducibility"


@pytest.mark.parametrize("command", ["help", "explain"])
def test_an_unknown_word_is_a_usage_error_with_a_suggestion(onestory: Onestory, command: str) -> None:
    result = onestory(command, "subtitels")
    assert result.exit is ExitCode.USAGE
    assert result.err.startswith("error[U606]")
    assert 'did you mean "subtitles"?' in result.err


def test_headings_in_code_are_text() -> None:
    page = manual.Page(topic="kite", text="# Kite\n\n```\n# no heading\n```\n## Wind\n")
    assert [heading for heading, _ in page.sections] == ["Kite", "Wind"]
