"""Every JSON document of a command has a valid schema."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from onestory_cli import events, schemas
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.rendering import loading
from onestory_cli.schemas.events import EVENTS as EVENT_ROWS
from tests.commands.conftest import Onestory
from tests.films import NumpyGenerator

COMMANDS = Path(__file__).parents[2] / "onestory_cli" / "commands"
OF_MAKING = {"render", "resume"}  # `make_film` gets the name as an argument


def written() -> Iterator[str]:
    """The names that commands pass to `Screen.document`."""
    for file in COMMANDS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "document":
                yield from (str(item.value) for item in node.args[:1] if isinstance(item, ast.Constant))


def test_every_document_has_a_schema() -> None:
    names = {*written(), *OF_MAKING, "error", "evaluation"}
    assert sorted(names) == sorted({*schemas.NAMES} - {"story", "shots", "events"})


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_schema_is_valid_and_can_be_printed(onestory: Onestory, name: str) -> None:
    schema = json.loads(onestory("schema", name).out)
    jsonschema.Draft7Validator.check_schema(schema)
    assert onestory("schema", name, "--json").json["json_schema"] == schema
    assert name in schema["$id"]


@pytest.mark.parametrize("name", schemas.documents.DOCUMENTS)
def test_document_without_required_fields_is_rejected(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate({"schema": f"onestory.{name}.v1"}, schemas.load(f"{name}.v1"))


EVENTS = events.Event.__subclasses__()
SAMPLES = {"str": "local", "int": 1, "float": 0.5, "events.Event": events.StopAsked()}
SAMPLES |= {
    "tuple[str, ...]": ("ff0000",),
    "tuple[tuple[str, int], ...]": (("opening", 2),),
    "dict[str, int]": {"done": 1},
}
SAMPLES |= {"dict[str, float]": {"loss": 0.5}, "Event": events.StopAsked()}


def check_line(line: dict[str, object]) -> None:
    jsonschema.validate(line, schemas.load("events.v1"))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_matches_its_schema(kind: type[events.Event]) -> None:
    out = io.StringIO()
    with Console(stdout=out, stderr=out, color=False).watch(json=True) as show:
        show(kind(**{field.name: SAMPLES[str(field.type)] for field in dataclasses.fields(kind)}))
    line = json.loads(out.getvalue())
    check_line(line)
    assert {"event", *EVENT_ROWS[kind.__name__]["properties"]} == line.keys()
    for key in line:
        with pytest.raises(jsonschema.ValidationError):
            check_line({name: value for name, value in line.items() if name != key})


def test_other_classes_have_no_event_schema() -> None:
    assert {*EVENT_ROWS} == {kind.__name__ for kind in EVENTS}


def test_events_of_commands_and_log_match_the_schema(
    onestory: Onestory, film_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: NumpyGenerator(spec))
    output = onestory("resume", film_run, "--json").out.splitlines()[:-1]
    output += onestory("take", "new", film_run, "city", "--json").out.splitlines()[:-1]
    output += (film_run / "events.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in output]
    assert {"RunStarted", "TakesStarted", "ShotKept", "TakeCommitted"} <= {line["event"] for line in lines}
    for line in lines:
        check_line(line)


def test_similar_name_is_suggested(onestory: Onestory) -> None:
    result = onestory("schema", "stroy")
    assert result.exit is ExitCode.USAGE
    assert "story" in result.err
