"""Build JSON Schemas: types, and objects that allow additional fields."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANY: Schema = {}


def described(schema: Schema, description: str) -> Schema:
    """The schema with a description."""
    return {**schema, "description": description}


def nullable(schema: Schema, description: str) -> Schema:
    """The schema or null, with a description."""
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def array(items: Schema, description: str = "") -> Schema:
    """An array."""
    return {"type": "array", "items": items} | ({"description": description} if description else {})


def obj(**fields: Schema) -> Schema:
    """An object that has at least these fields."""
    return {"type": "object", "required": [*fields], "properties": fields}


def with_optional(document: Schema, **fields: Schema) -> Schema:
    """The object with additional optional fields."""
    return {**document, "properties": {**document["properties"], **fields}}
