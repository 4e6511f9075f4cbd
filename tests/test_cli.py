"""The program as a process: its imports, exit codes, commands and flags."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.version import __version__
from tests.films import SPEC

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "diffusers", "transformers", "av", "ray"}
STORY = """\
story: 1
title: The Lost Kite
model: model
shots:
  - {id: opening, caption: A fox walks.}
  - {id: city, caption: A city at night.}
"""


def slow(*values: object) -> Any:
    """A set of parameters that only `.ci/run` tests: another set of the same kind is always tested."""
    return pytest.param(*values, marks=pytest.mark.slow)


def program(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `onestory` as a separate process in the current folder; `code` runs before `main`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nfrom onestory_cli.cli import main\nmain()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=_environment(**environment), timeout=60)


def _environment(**more: str) -> dict[str, str]:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": paths, **more}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a story and a model that has a card but no weights."""
    monkeypatch.chdir(tmp_path)
    card = {key: value for key, value in asdict(SPEC).items() if key not in ("name", "base", "adapter", "levels")}
    Path("model").mkdir()
    Path("model/onestory.json").write_text(json.dumps(card))
    Path("film.story.yaml").write_text(STORY)
    return tmp_path


IMPORTS = """
import contextlib, io, json
from onestory_cli import cli
from onestory_cli.console import Console
loaded = {}
for line in LINES:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = cli.run(line.split(), Console(stdout=sys.stdout, stderr=sys.stderr, color=True))
    loaded[line] = [code, *sorted(WATCHED & set(sys.modules))]
print(json.dumps(loaded))
"""


def imports_of(watched: set[str], *lines: str) -> dict[str, list[object]]:
    """Run command lines one after another in a new process: the exit code of each and the `watched` modules by then."""
    code = f"import sys\nLINES, WATCHED = {lines}, {watched}\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment(), check=True)
    return json.loads(done.stdout)


def test_light_commands_do_not_import_heavy_packages(folder: Path) -> None:
    lines = (
        "--help",
        "render --help",
        "validate film.story.yaml",
        "plan film.story.yaml --json",
        "render film.story.yaml --dry-run",
        "schema",
        "models",
        "explain S104",
        "help memory",
        "help audio",
    )
    assert imports_of(HEAVY, *lines) == {line: [0] for line in lines}


def test_help_imports_only_what_defines_the_options(folder: Path) -> None:
    works = {
        "onestory_cli.rendering.render",
        "onestory_cli.store.run",
        "onestory_cli.export.write",
        "jsonschema",
        "yaml",
        *HEAVY,
    }
    lines = ("render --help", "export --help", "--help")
    assert imports_of(works, *lines) == {line: [0] for line in lines}


@pytest.mark.parametrize("package", ["schemas", slow("tests"), slow("utils")])
def test_a_package_of_the_user_never_shadows_ours(folder: Path, package: str) -> None:
    """`python -m` puts the current folder first on the path, as `torchrun -m` and `PYTHONPATH=.` do."""
    Path(package).mkdir()
    Path(package, "__init__.py").write_text("raise RuntimeError('imported by mistake')\n")
    command = [sys.executable, "-m", "onestory_cli"]
    for arguments in (["schema"], ["plan", "film.story.yaml", "--json"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=_environment(), check=False)
        assert done.returncode == 0, done.stderr


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
        [sys.executable, "-m", "onestory_cli", "--version"], capture_output=True, text=True, env=_environment()
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


SLOW = """
import time
from dataclasses import replace
from onestory_cli.rendering import loading
from tests.films import NumpyGenerator

class Slow(NumpyGenerator):
    def generate(self, request):
        def slowly(event):
            request.emit(event)
            if request.job.shot == "city":
                print(type(event).__name__, flush=True)
                time.sleep(SECONDS)

        return super().generate(replace(request, emit=slowly))

loading.model_loader = lambda spec, device, emit, shared: lambda: Slow(spec)
"""


@contextmanager
def slow_render(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A render whose second shot prints each event and sleeps. Its first step has just finished."""
    code = f"SECONDS = {seconds}\n{SLOW}\nfrom onestory_cli.cli import main\nmain()"
    command = [sys.executable, "-c", code, "render", "film.story.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=_environment(), **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "Remembered\n"
        yield process


@pytest.mark.parametrize(
    ("number", "exit"), [slow(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_first_signal_stops_within_a_step_and_keeps_the_work(
    folder: Path, number: signal.Signals, exit: ExitCode
) -> None:
    with slow_render(0.5) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exit
    assert "stopping after this step; press Ctrl-C again to stop now\n" in err
    assert "interrupted: 1 of 2 shots are finished and kept, city up to step 1 of 3; continue with\n" in err
    assert err.endswith("  onestory resume film.run\n")
    assert "Traceback" not in err
    assert len(list(folder.glob("film.run/shots/city/*/partial.safetensors"))) == 1


@pytest.mark.parametrize(
    ("number", "exit"), [(signal.SIGINT, ExitCode.INTERRUPTED), slow(signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_second_signal_stops_at_once(folder: Path, number: signal.Signals, exit: ExitCode) -> None:
    with slow_render(120) as process:
        process.send_signal(number)
        for line in process.stderr:  # type: ignore[union-attr]
            if line.startswith("stopping"):
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exit
    assert "interrupted: 1 of 2 shots are finished and kept; continue with\n" in err
    assert "Traceback" not in err
    assert not list(folder.glob("film.run/shots/city/*/partial.safetensors"))


@pytest.mark.parametrize(
    "arguments", [slow("explain"), slow("--help"), "plan film.story.yaml", slow("plan film.story.yaml --json")]
)
def test_a_closed_pipe_ends_a_command_like_sigpipe_does(folder: Path, arguments: str) -> None:
    """The exit code is that of a process which SIGPIPE killed, as `set -o pipefail` expects, and nothing is printed."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "onestory_cli", *arguments.split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")


def shell(line: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run a shell line in which $onestory is the program; `code` runs before `main`."""
    Path("program.py").write_text(f"{code}\nfrom onestory_cli.cli import main\nmain()\n")
    environment = _environment(onestory=f"{sys.executable} program.py")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environment, timeout=60)


FULL = "error[U608]: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize(
    "arguments",
    [
        slow("--help"),
        "--version",
        slow("explain"),
        slow("plan film.story.yaml"),
        "plan film.story.yaml --json",
        slow("validate film.story.yaml --json"),
        slow("plan gone.story.yaml --json"),
        slow("schema"),
    ],
)
def test_a_full_disk_behind_stdout_is_reported(folder: Path, arguments: str) -> None:
    done = shell(f"$onestory {arguments} >/dev/full")
    assert done.returncode == ExitCode.MACHINE
    assert FULL in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_stdout_is_reported(folder: Path) -> None:
    done = shell("$onestory plan film.story.yaml >&-")
    assert done.returncode == ExitCode.MACHINE
    assert "error[U608]: cannot write to stdout: it is closed\n" in done.stderr


NUMPY = """
from onestory_cli.rendering import loading
from tests.films import NumpyGenerator
loading.model_loader = lambda spec, device, emit, shared: lambda: NumpyGenerator(spec)
"""


@pytest.mark.parametrize("redirection", ["2>&-", slow("2>/dev/full"), slow("2> >(true)")])
def test_a_render_continues_without_stderr(folder: Path, redirection: str) -> None:
    done = shell(f"$onestory render film.story.yaml {redirection}", NUMPY)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.DONE, "film.run/film.mp4\n", "")
    assert shell("$onestory verify film.run").returncode == ExitCode.DONE


def test_an_error_without_stderr_keeps_its_exit_code(folder: Path) -> None:
    assert shell("$onestory plan gone.story.yaml 2>&-").returncode == ExitCode.FINDINGS


def test_completion_knows_the_commands(folder: Path) -> None:
    words = {"_ONESTORY_COMPLETE": "complete_bash", "COMP_WORDS": "onestory pl", "COMP_CWORD": "1"}
    assert program(**words).stdout.split() == ["plan"]
