"""README.md says what is so: its commands parse, its story compiles, its tables are the program's.

What the program says itself stands between `<!-- name:begin -->` and `<!-- name:end -->`; `pytest --regold` renews it.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from tests.test_cli import all_commands

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
EXAMPLES = ROOT / "examples"
FILM = "pip install -c constraints.txt . && onestory render examples/the-lost-kite.story.yaml"
TESTS = "pip install -c constraints.txt '.[test]' && pytest"

Golden = Callable[[Path, str], None]


def text() -> str:
    return README.read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    return [line for block in fenced("bash") for line in block.splitlines()]


def command_lines() -> Iterator[list[str]]:
    """The arguments of every `onestory ...`, in blocks and within sentences."""
    spans = re.findall(r"`(onestory [^`]+)`", text().replace("\n", " "))
    for line in [*shell_lines(), *spans]:
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["onestory"]:
                yield words[1:]


def with_block(name: str, body: str) -> str:
    """README.md with other contents of a block."""
    head, rest = text().split(f"<!-- {name}:begin -->\n")
    _, tail = rest.split(f"<!-- {name}:end -->")
    return f"{head}<!-- {name}:begin -->\n{body}<!-- {name}:end -->{tail}"


def program(*arguments: str) -> str:
    """What a command that succeeds writes to stdout."""
    out = io.StringIO()
    assert cli.run(arguments, Console(stdout=out, stderr=io.StringIO(), color=False)) is ExitCode.DONE
    return out.getvalue()


def test_the_two_commands_that_set_it_up() -> None:
    assert [line for line in shell_lines() if line.startswith("pip ")] == [FILM, TESTS]


@pytest.mark.parametrize("arguments", command_lines(), ids=shlex.join)
def test_every_command_exists_with_its_flags(arguments: list[str]) -> None:
    root = get_command(cli.open_app())
    name, *rest = arguments
    if name.startswith("-"):
        assert name in {option for parameter in root.params for option in parameter.opts}
    else:
        command = root.commands[name]  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        if inner and (not command.invoke_without_command or (rest and rest[0] in inner)):
            command, *rest = command.commands[rest[0]], *rest[1:]
        if rest:  # a bare name stands for the command itself
            assert command.make_context(name, rest).args == []


def test_files_in_commands_exist() -> None:
    words = {word for words in command_lines() for word in words if word.startswith("examples/")}
    named = {word.replace(".run", ".story.yaml") for word in words}  # a run is there once its story is rendered
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_table_of_commands(golden: Golden) -> None:
    rows = ["| command | does |", "|---|---|"]
    for name, command in all_commands().items():
        metavars = [item.metavar for item in command.params if item.param_type_name == "argument"]
        rows.append(f"| `{' '.join([name, *metavars])}` | {command.help.splitlines()[0]} |")
    golden(README, with_block("commands", "\n".join(rows) + "\n"))


def test_the_table_of_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", text(), re.MULTILINE)
    assert [(int(number), name.upper()) for number, name in rows] == [(code.value, code.name) for code in ExitCode]


def test_the_plan_of_the_example(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where nothing was rendered yet
    story = Path("the-lost-kite.story.yaml")
    story.write_bytes((EXAMPLES / story.name).read_bytes())
    golden(README, with_block("plan", f"```text\n{program('plan', str(story))}```\n"))


def test_the_story_has_no_findings_and_reads_as_shown(golden: Golden, tmp_path: Path) -> None:
    (source,) = fenced("yaml")
    story = tmp_path / "home-again.story.yaml"
    story.write_text(source)
    plan, warnings = compile_story(story)
    assert warnings == ()
    captions = "".join(f"{job.shot}: {job.caption}\n" for job in plan.jobs)
    golden(README, with_block("captions", f"```text\n{captions}```\n"))


def test_every_example_is_named() -> None:
    stories = {path.relative_to(ROOT).as_posix() for path in EXAMPLES.glob("*.story.yaml")}
    assert stories == set(re.findall(r"^\| \[.*?\]\((examples/.*?)\)", text(), re.MULTILINE))


def test_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\((.*?)\)", text()) if not target.startswith("https://")]
    titles = re.findall(r"^#+ (.*)$", text(), re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert [item for item in targets if item.lstrip("#") not in headings and not (ROOT / item).exists()] == []


def test_the_file_tree_is_the_tree() -> None:
    tree = next(block for block in fenced("text") if block.startswith("onestory_cli/"))
    listed = set(re.findall(r"^  (\S+)", tree, re.MULTILINE))
    package = ROOT / "onestory_cli"
    assert [name for name in listed if not (package / name).exists()] == []
    assert {f"{file.parent.name}/" for file in package.glob("*/__init__.py")} <= listed
