from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from onestory_cli import schemas
from onestory_cli.memory.policies import POLICIES
from onestory_cli.schedulers import SCHEDULERS
from onestory_cli.story.schema import check
from onestory_cli.story.source import MAX_FINDINGS, parse
from onestory_cli.story.types import MAX_SEED, MAX_SHOT_SEED

SCHEMA = schemas.load()
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.story.yaml"))


def test_seed_limits_equal_the_schema() -> None:
    story, shot = SCHEMA["properties"], SCHEMA["definitions"]["shot"]["properties"]
    assert (story["seed"]["maximum"], shot["seed"]["maximum"]) == (MAX_SEED, MAX_SHOT_SEED)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property, pattern and definition of the schema, by path."""
    for group in ("properties", "patternProperties", "definitions"):
        for name, inner in schema.get(group, {}).items():
            yield f"{path}/{name}", inner
            yield from fields(inner, f"{path}/{name}")


def test_the_schema_is_valid() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_field_is_described() -> None:
    for path, field in fields(SCHEMA):
        target = SCHEMA["definitions"][field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else field
        assert target["description"].endswith("."), path


def test_examples_and_defaults_fit() -> None:
    for _, field in fields(SCHEMA):
        validator = jsonschema.Draft7Validator({**field, "definitions": SCHEMA["definitions"]})
        for value in (*field.get("examples", []), *([field["default"]] if "default" in field else [])):
            validator.validate(value)


def test_every_map_refuses_unknown_keys_and_allows_notes() -> None:
    maps = [SCHEMA, *(field for _, field in fields(SCHEMA) if "properties" in field)]
    assert len(maps) == 12
    for field in maps:
        assert field["additionalProperties"] is False
        if "workflow" in field["properties"]:
            continue  # an external model is part of the key as a whole
        assert "^x-" in field["patternProperties"]
        assert field["properties"]["note"] == {"$ref": "#/definitions/note"}


def test_choices_equal_the_catalogue() -> None:
    for name, table in (("memoryPolicy", POLICIES), ("scheduler", SCHEDULERS)):
        known, plugin = SCHEMA["definitions"][name]["anyOf"]
        assert known["enum"] == [*table.builtin]
        assert re.search(plugin["pattern"], "my_policy-2")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_pass_the_bare_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), SCHEMA)


def test_an_id_does_not_end_in_a_line_break() -> None:
    source = parse(b'story: 1\ntitle: a\nshots: [{id: "a\\n", caption: b}]\n', "a.story.yaml")
    assert [item.code for item in check(source).findings] == ["S127"]


def test_values_of_a_wrong_type_are_removed() -> None:
    text = "story: 1\ntitle: 5\nshots:\n  - text\n  - {id: a, caption: b, steps: x, memory: {from: [a, 1]}}\n"
    assert check(parse(text.encode(), "a.story.yaml")).value == {
        "story": 1,
        "shots": [{}, {"id": "a", "caption": "b", "memory": {"from": ["a", None]}}],
    }


def test_a_misspelt_key_is_not_also_missing() -> None:
    source = parse(b"story: 1\ntitel: a\nshots: [{ids: a, caption: b}]\n", "a.story.yaml")
    assert [item.code for item in check(source).findings] == ["S120", "S120"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("010", "10"), ("0x1f", "31"), ("0b11", "3"), ("1e3", "1000"), (".5", "0.5"), ("1_000", "1000"), ("+4", "4")],
)
def test_numbers_in_other_notations_get_a_decimal_hint(written: str, meant: str) -> None:
    source = parse(f"story: 1\ntitle: a\nseed: {written}\nshots: [{{id: a, caption: b}}]\n".encode(), "a.story.yaml")
    (finding,) = check(source).findings
    assert finding.help.startswith(f"write {meant};")


def test_findings_are_limited() -> None:
    keys = "".join(f"key-{number}: 1\n" for number in range(5000))
    checked = check(parse(f"story: 1\ntitle: a\nshots: [a]\n{keys}".encode(), "a.story.yaml"))
    assert len(checked.findings) == MAX_FINDINGS


def test_too_many_errors_stop_further_checks() -> None:
    assert check(parse(b"story: 1\nshots: [" + b"1," * 300 + b"]\n", "a.story.yaml")).value is None
