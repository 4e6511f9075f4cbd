"""Every document that a command can write has a schema, and every schema is one."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

import schemas
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory

COMMANDS = Path(__file__).parents[2] / "onestory_cli" / "commands"
OF_MAKING = {"render", "resume"}  # `make_film` is told the name


def written() -> Iterator[str]:
    """The names that commands give to `Screen.document`."""
    for file in COMMANDS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "document":
                yield from (str(item.value) for item in node.args[:1] if isinstance(item, ast.Constant))


def test_every_document_has_a_schema() -> None:
    names = {*written(), *OF_MAKING, "error", "evaluation"}
    assert sorted(names) == sorted({*schemas.NAMES} - {"story", "shots"})


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_schema_is_one_and_can_be_printed(onestory: Onestory, name: str) -> None:
    schema = json.loads(onestory("schema", name).out)
    jsonschema.Draft7Validator.check_schema(schema)
    assert onestory("schema", name, "--json").json["json_schema"] == schema
    assert name in schema["$id"]


@pytest.mark.parametrize("name", schemas.documents.DOCUMENTS)
def test_a_document_without_its_fields_is_refused(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate({"schema": f"onestory.{name}.v1"}, schemas.load(f"{name}.v1"))


def test_a_near_name_is_offered(onestory: Onestory) -> None:
    result = onestory("schema", "stroy")
    assert result.exit is ExitCode.USAGE
    assert "story" in result.err
