"""Exit codes, commands and flags."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.version import __version__
from tests.programs import environment_with, folder, program

__all__ = ["folder"]


def all_commands() -> dict[str, Any]:
    """All commands by name, including those of groups, in the order of the help."""
    root: Any = get_command(cli.open_app())
    found = {}
    for name in root.list_commands(None):
        command = root.commands[name]
        inner = getattr(command, "commands", {})
        found |= {name: command} if not inner or command.invoke_without_command else {}
        found |= {f"{name} {word}": item for word, item in inner.items()}
    return found


def test_commands_and_flags(golden: Callable[[Path, str], None]) -> None:
    root = get_command(cli.open_app())
    lines = []
    for name, command in {"onestory": root, **all_commands()}.items():
        words = [parameter.opts[0] if parameter.opts[0].startswith("-") else "" for parameter in command.params]
        arguments = [parameter.metavar for parameter in command.params if parameter.param_type_name == "argument"]
        lines.append(" ".join([name, *arguments, *filter(None, words)]))
    golden(Path(__file__).parent / "golden" / "commands.txt", "\n".join(lines) + "\n")


def test_python_m_onestory_cli(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "onestory_cli", "--version"], capture_output=True, text=True, env=environment_with()
    )
    assert (result.returncode, result.stdout) == (0, f"onestory {__version__}\n")


def in_process(*arguments: str) -> tuple[ExitCode, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return cli.run(arguments, Console(stdout=out, stderr=err, color=False)), out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("arguments", "exit", "says"),
    [
        ("", 2, ""),
        ("take", 2, ""),
        ("plna film.story.yaml", 2, "did you mean `plan`?"),
        ("plan film.story.yaml --jsn", 2, "did you mean `--json`"),
        ("plan film.story.yaml --model wan", 2, "set the model in the story (`model: NAME`)"),
        ("plan", 2, "Missing argument 'FILE'"),
        ("plan film.story.yaml --format loud", 2, "--format"),
        ("plan film.story.yaml --seed many", 2, "--seed"),
        ("plan film.story.yaml --profile draft", 2, "error[U602]"),
        ("plan film.story.yaml --exit-code", 1, ""),
        ("plan gone.story.yaml", 1, "error[S101]"),
        ("inspect-memory", 2, "error[U604]"),
        ("models", 0, ""),
    ],
)
def test_exit_codes(folder: Path, arguments: str, exit: int, says: str) -> None:
    code, _, err = in_process(*arguments.split())
    assert code == exit
    assert says in err
    assert "Traceback" not in err
    assert "error[U606]: \n" not in err


def test_the_exit_code_of_the_process(folder: Path) -> None:
    result = program("plan", "gone.story.yaml")
    assert (result.returncode, result.stdout) == (ExitCode.FINDINGS, "")
    assert result.stderr.startswith("error[S101]")


@pytest.mark.parametrize("word", ["play", "witch", "xyz", "film.story.yaml"])
def test_unrelated_word_gets_no_suggestion(folder: Path, word: str) -> None:
    code, _, err = in_process(word)
    assert code is ExitCode.USAGE
    assert "did you mean" not in err


@pytest.mark.parametrize(("word", "command"), [("plna", "plan"), ("rendr", "render"), ("valdiate", "validate")])
def test_a_command_is_suggested_for_a_typing_error(folder: Path, word: str, command: str) -> None:
    assert f"did you mean `{command}`?" in in_process(word)[2]


def test_usage_errors_are_json_with_json(folder: Path) -> None:
    exit, out, _ = in_process("plan", "film.story.yaml", "--jsn", "--json")
    document = json.loads(out)
    assert exit is ExitCode.USAGE
    assert (document["schema"], document["command"], document["exit"]) == ("onestory.error.v1", "plan", 2)
    assert document["diagnostics"][0]["code"] == "U606"


def test_a_missing_option_is_named_with_its_help(folder: Path) -> None:
    exit, _, err = in_process("batch", "film.story.yaml")
    assert exit is ExitCode.USAGE
    assert "add `--out DIR`: folder for the run directories and batch.json" in err


@pytest.mark.parametrize(
    ("fault", "exit", "says"),
    [
        (OnestoryError("M503", "no weights", exit=ExitCode.MACHINE), ExitCode.MACHINE, "error[M503]: no weights"),
        (OnestoryError("R405", "disk full", exit=ExitCode.PARTIAL), ExitCode.PARTIAL, "error[R405]: disk full"),
        (MemoryError(), ExitCode.MACHINE, "error[U607]: not enough memory"),
        (
            OSError(28, "No space left on device", "film"),
            ExitCode.MACHINE,
            "error[U608]: No space left on device: film",
        ),
        (KeyError("oops"), ExitCode.BUG, "error[U609]: this is a bug in onestory (KeyError)"),
    ],
)
def test_every_fault_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception, exit: ExitCode, says: str
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Console, "table", raises)
    code, _, err = in_process("models")
    assert code is exit
    assert err.startswith(says)


def test_a_bug_writes_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def raises(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Console, "table", raises)
    _, _, err = in_process("models")
    (report,) = tmp_path.glob("onestory-report-*.txt")
    assert str(report) in err
    text = report.read_text()
    assert "KeyError: 'oops'" in text
    assert f"onestory {__version__}" in text
    assert "arguments: ('models',)" in text
    assert "typer " in text


def test_completion_knows_the_commands(folder: Path) -> None:
    words = {"_ONESTORY_COMPLETE": "complete_bash", "COMP_WORDS": "onestory pl", "COMP_CWORD": "1"}
    assert program(**words).stdout.split() == ["plan"]
