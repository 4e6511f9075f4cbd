"""README and manual are correct: commands parse, stories compile, and all output is generated.

`pytest --regold` renews the generated blocks.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.main import get_command

from onestory_cli import cli, schemas
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from onestory_cli.story.source import parse
from tests import pages
from tests.pages import (
    EXAMPLES,
    MANUAL,
    PAGES,
    README,
    ROOT,
    command_lines,
    fenced,
    name_of,
    shell_lines,
    text,
    with_block,
)
from tests.test_cli import all_commands

FILM = "pip install -c constraints.txt . && onestory render examples/hide-and-seek.story.yaml"
TESTS = "pip install -c constraints.txt '.[test]' && pytest"
STORY = "hide-and-seek.story.yaml"
EDIT = ("$robot stands in $city", "$robot walks left in $city")

Golden = Callable[[Path, str], None]
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def program(*arguments: str) -> str:
    """The output of a successful command, progress first."""
    out, err = io.StringIO(), io.StringIO()
    assert cli.run(arguments, Console(stdout=out, stderr=err, color=False)) is ExitCode.DONE, err.getvalue()
    return err.getvalue() + out.getvalue()


def as_text(output: str) -> str:
    return f"```text\n{output}```\n"


def test_the_readme_is_short() -> None:
    assert len(text(README).splitlines()) <= 250


def test_the_two_commands_of_ci() -> None:
    assert [line for line in shell_lines(README) if line.startswith("pip ")] == [FILM, TESTS]


@each_page
def test_commands_exist_with_their_options(page: Path) -> None:
    root = get_command(cli.open_app())
    for name, *rest in command_lines(page):
        if name.startswith("-"):
            assert name in {option for parameter in root.params for option in parameter.opts}
        elif rest and name != "COMMAND":  # a name alone refers to the command
            command = root.commands[name]  # type: ignore[attr-defined]
            if rest[0] in getattr(command, "commands", {}):
                command, *rest = command.commands[rest[0]], *rest[1:]
            if rest:
                assert command.make_context(name, rest).args == [], shlex.join([name, *rest])
        else:
            assert name in root.commands or name == "COMMAND"  # type: ignore[attr-defined]


@each_page
def test_programs_of_python_exist(page: Path) -> None:
    modules = {*re.findall(r"python -m ([a-z_0-9.]+)", text(page))}
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


@each_page
def test_files_in_commands_exist(page: Path) -> None:
    words = {word for line in shell_lines(page) for word in line.split() if word.startswith("examples/")}
    named = {re.sub(r"\.run(/.*)?$", ".story.yaml", word) for word in words if "$" not in word}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@each_page
def test_links_have_targets(page: Path) -> None:
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors(target), link


@each_page
def test_all_output_is_generated(page: Path) -> None:
    assert "```text" not in pages.without_blocks(page)


@each_page
def test_pieces_of_stories_follow_the_schema(page: Path) -> None:
    for source in fenced(page, "yaml"):
        if source.startswith("# ."):  # another file, named in its first line
            continue
        story = parse(source.encode(), name_of(page)).value
        whole = {"story": 1, "title": "Kite", "shots": [{"id": "kite", "caption": "A kite."}], **story}
        assert [error.message for error in Draft7Validator(schemas.load()).iter_errors(whole)] == [], source


@each_page
def test_programs_and_documents_parse(page: Path) -> None:
    for source in fenced(page, "python"):
        ast.parse(source)
    for source in fenced(page, "json"):
        json.loads(source)


@each_page
def test_it_is_plain_english(page: Path) -> None:
    dialect = (
        r"\b(?:beside|anew|mend\w*|whoever|nobody|somebody|meanwhile|is no|are none|goes on|so many|by hand|lies in)\b"
    )
    assert re.findall(dialect, pages.without_blocks(page)) == []


def test_every_example_is_listed() -> None:
    rows = re.findall(r"^\| \[.*?\]\((.*?\.story\.yaml)\)", text(EXAMPLES / "README.md"), re.MULTILINE)
    assert set(rows) == {path.name for path in EXAMPLES.glob("*.story.yaml")}


def command_table(commands: Mapping[str, Any]) -> str:
    rows = []
    for name, command in commands.items():
        metavars = [item.metavar for item in command.params if item.param_type_name == "argument"]
        rows.append((f"`{' '.join([name, *metavars])}`", command.help.splitlines()[0]))
    return pages.table(("command", "does"), rows)


def test_the_table_of_all_commands(golden: Golden) -> None:
    page = MANUAL / "commands.md"
    golden(page, with_block(page, "commands", command_table(all_commands())))


def test_the_short_table_of_commands(golden: Golden) -> None:
    root: Any = get_command(cli.open_app())
    commands = {name: root.commands[name] for name in root.list_commands(None)}
    golden(README, with_block(README, "commands", command_table(commands)))


def test_the_table_of_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", text(MANUAL / "commands.md"), re.MULTILINE)
    assert [(int(number), name.upper()) for number, name in rows] == [(code.value, code.name) for code in ExitCode]


def test_the_keys_of_a_story(golden: Golden) -> None:
    page = MANUAL / "stories.md"
    golden(page, with_block(page, "keys", pages.schema_tables(schemas.load())))


def test_the_reference_of_the_python_api(golden: Golden) -> None:
    page = MANUAL / "python.md"
    reference = pages.api_reference(ROOT / "onestory_cli/api.py", pages.public_names())
    reference += "\n" + pages.class_reference(ROOT / "onestory_cli/store/run_view.py", "RunView")
    golden(page, with_block(page, "api", reference))


def test_the_captions_of_the_story(golden: Golden, tmp_path: Path) -> None:
    page = MANUAL / "stories.md"
    story = tmp_path / "home-again.story.yaml"
    story.write_text(fenced(page, "yaml")[0])
    plan, warnings = compile_story(story)
    assert warnings == ()
    golden(page, with_block(page, "captions", as_text("".join(f"{job.shot}: {job.caption}\n" for job in plan.jobs))))


@pytest.mark.parametrize("page", [README, MANUAL / "stories.md", MANUAL / "wan.md"], ids=name_of)
def test_whole_stories_have_no_findings(page: Path, tmp_path: Path) -> None:
    for source in fenced(page, "yaml"):
        if "story: 1" in source:
            story = tmp_path / "kite.story.yaml"
            story.write_text(source)
            assert compile_story(story)[1] == ()


def test_the_tree_of_packages(golden: Golden) -> None:
    package = ROOT / "onestory_cli"
    rows = [
        (f"{file.parent.name}/", ast.get_docstring(ast.parse(text(file))).splitlines()[0].rstrip("."))  # type: ignore[union-attr]
        for file in sorted(package.glob("*/__init__.py"))
    ]
    width = max(len(name) for name, _ in rows) + 2
    golden(README, with_block(README, "tree", as_text("".join(f"{name:{width}}{does}\n" for name, does in rows))))


def test_the_plan_of_the_example(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / STORY, tmp_path)
    captions, _, table = program("plan", STORY).partition("\n\n")
    assert captions.startswith("opening: ")
    golden(README, with_block(README, "plan", as_text(table)))


def masked(output: str) -> str:
    """Output without machine-specific values: ids, times, memory, and the last digits of scores."""
    output = re.sub(r"\b[0-9a-f]{6}\b", "ID", output)
    output = re.sub(r"\[[\d,]+\]", lambda frames: str(sorted(frames[0])), output)  # near-equal scores can change order
    return re.sub(r"-?\d+\.\d+|in [\d.:]+( s)?|\d:\d\d:\d\d|[▁-█░]| +", "N", output)


@pytest.mark.slow
def test_the_output_of_the_example(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    story, run = Path(STORY), STORY.replace(".story.yaml", ".run")
    shutil.copy(EXAMPLES / STORY, story)
    rendered = program("render", STORY)
    memory = program("inspect-memory", run)
    story.write_text(text(story).replace(*EDIT))
    plan = program("plan", STORY).partition("\n\n")[2]
    why = program("plan", STORY, "--why", "return")
    edited = program("render", STORY)
    shown = {
        (README, "render"): rendered,
        (README, "memory"): memory.splitlines()[2] + "\n" + re.split(r"(?m)^(?=\d)", memory)[5],
        (MANUAL / "memory.md", "memory"): memory,
        (MANUAL / "editing.md", "edit-plan"): plan,
        (MANUAL / "editing.md", "edit-why"): why,
        (MANUAL / "editing.md", "edit-render"): edited,
        (MANUAL / "editing.md", "takes"): program("take", "list", run),
    }
    current = {key: pages.block(*key) for key in shown}
    if any(masked(current[key]) != masked(as_text(output)) for key, output in shown.items()):
        for (page, name), output in shown.items():
            golden(page, with_block(page, name, as_text(output)))
