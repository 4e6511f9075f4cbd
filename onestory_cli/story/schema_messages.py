"""Turn errors of the JSON Schema validator into findings with a code, a place and a next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.source import MAX_FINDINGS, KeyPath, StorySource

_NOT_EMPTY = r"\S"
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "object": "a map of keys",
    "array": "a list",
    "string or object": "text or a map of keys",
}
_OWNERS = {"characters": "character", "settings": "setting", "profiles": "profile"}
_SECONDS = ("duration", "offset", "fade_in", "fade_out")
_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?s")
_NOT_FINITE = re.compile(r"[-+]?\.?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """One validator error, with descriptions of the value that it is about."""

    source: StorySource
    error: ValidationError

    @property
    def path(self) -> KeyPath:
        return tuple(self.error.absolute_path)

    @property
    def instance(self) -> Any:
        """The value, or the key name if `about_key`."""
        return self.error.instance

    @property
    def limit(self) -> Any:
        """What the schema requires: a type, a pattern, a number, keys."""
        return self.error.validator_value

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of the value."""
        return self.error.schema if isinstance(self.error.schema, dict) else {}

    @property
    def known_keys(self) -> list[str]:
        return list(self.schema["properties"])

    @property
    def about_key(self) -> bool:
        """Whether the error is about the name of a key, not a value."""
        return "propertyNames" in self.error.absolute_schema_path

    @property
    def field(self) -> str:
        """The name of the value for messages: `"memory.frames" of shot "return"`, `shot "return"`, `the story`."""
        owner, keys = _owner(self.source.value, self.path)
        inner = f'"{".".join(keys)}"' if keys else ""
        return " of ".join(part for part in (inner, owner) if part) or "the story"

    @property
    def value(self) -> str:
        return shorten(self.instance)

    @property
    def example(self) -> str:
        """`for example `duration: 2s``, or "" if the schema has no example."""
        if not self.path or "examples" not in self.schema:
            return ""
        key = self.path[-1]
        example = _example(key, self.schema) if isinstance(key, str) else f"- {_yaml(self.schema['examples'][0])}"
        return f"for example `{example}`"

    def finding(self, code: str, message: str, help: str = "") -> Diagnostic:
        name = (*self.path, self.instance)
        place = self.source.key_place(name) if self.about_key else self.source.place(self.path)
        return Diagnostic(code=code, message=message, place=place, help=help)


def findings_of(fault: Fault) -> Iterator[Diagnostic]:
    """The findings for a fault, except missing keys: the validator repeats those, see `missing_key`."""
    handler = _HANDLERS.get(str(fault.error.validator))
    return handler(fault) if handler else iter(())


def missing_key(fault: Fault, key: str) -> Diagnostic:
    """S121 for a key that is missing from the map of `fault`."""
    return Diagnostic(
        code="S121",
        message=f'{fault.field} has no "{key}"',
        place=fault.source.key_place(fault.path),
        help=f"add `{_example(key, fault.schema['properties'][key])}`",
    )


def extra_keys(fault: Fault) -> Iterator[str]:
    """The keys of a map that are not in its schema."""
    known = fault.schema["properties"]
    return (key for key in fault.instance if key not in known and not key.startswith("x-"))


def _owner(tree: object, path: KeyPath) -> tuple[str, list[str]]:
    """The owner of the value at `path`, and the keys below it: ('shot "return"', ["memory", "frames"])."""
    names = [key for key in path if isinstance(key, str)]
    match path:
        case ("shots", int(index), *_):
            return _shot(tree, index), names[1:]
        case (("characters" | "settings" | "profiles") as kind, str(name), *_):
            return f'{_OWNERS[kind]} "{shorten(name)}"', names[2:]
    return "", names


def _shot(tree: Any, index: int) -> str:
    shot = tree["shots"][index]
    name = shot.get("id") if isinstance(shot, dict) else None
    return f'shot "{shorten(name)}"' if isinstance(name, str) and name.strip() else f"shot number {index + 1}"


def _example(key: str, schema: dict[str, Any]) -> str:
    return f"{key}: {_yaml(schema['examples'][0])}"


def _yaml(value: object) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return str(value)


def _unknown(fault: Fault) -> Iterator[Diagnostic]:
    known = fault.known_keys
    for key in islice(extra_keys(fault), MAX_FINDINGS):
        hint = did_you_mean(key, known) or f"known keys: {', '.join(known)}; keys of your own start with x-"
        place = fault.source.key_place((*fault.path, key))
        yield Diagnostic(code="S120", message=f'unknown key "{shorten(key)}" in {fault.field}', place=place, help=hint)


def _type(fault: Fault) -> Iterator[Diagnostic]:
    wanted, value = " or ".join(fault.limit) if isinstance(fault.limit, list) else str(fault.limit), fault.instance
    if value is None:
        yield fault.finding("S122", f"{fault.field} has no value", fault.example or "write a value, or delete the key")
    elif wanted in ("integer", "number") and isinstance(value, str):
        yield _not_a_number(fault, wanted, value)
    else:
        yield fault.finding(
            "S122", f"{fault.field} must be {_KINDS[wanted]}, not {_described(value)}", _type_help(fault, wanted)
        )


def _type_help(fault: Fault, wanted: str) -> str:
    """The next step for a value of a wrong type."""
    if not fault.path:
        return "start the file with `story: 1`"
    if type(fault.instance) in (int, float) and fault.path[-1] in _SECONDS:
        return f"add the unit: `{fault.path[-1]}: {fault.instance}s`"
    prose = wanted == "string" and fault.schema.get("pattern", _NOT_EMPTY) == _NOT_EMPTY
    if prose and not isinstance(fault.instance, dict | list):
        return "put it in quotes if it is text"
    return fault.example


def _not_a_number(fault: Fault, wanted: str, text: str) -> Diagnostic:
    if _NOT_FINITE.fullmatch(text):
        return fault.finding("S115", f"{fault.field} must be a finite number, not {text}", fault.example)
    message = f'{fault.field} must be {_KINDS[wanted]}, not the text "{shorten(text)}"'
    if fault.path[-1] == "frames" and _DURATION.fullmatch(text):
        return fault.finding("S122", message, f"write `duration: {text}`, or a number of frames: `frames: 17`")
    decimal = _decimal(text)
    return fault.finding(
        "S122", message, f"write {decimal}; only plain decimal numbers are allowed" if decimal else fault.example
    )


def _decimal(text: str) -> str:
    """The plain decimal form of `010`, `0x1f`, `1e3`, `.5` or `1,5`; "" for anything else."""
    if len(text) > 20:
        return ""
    try:
        if text.lower().startswith(("0x", "0o", "0b")):
            return str(int(text, 0))
        number = float(text.replace(",", "."))
    except ValueError:
        return ""
    return f"{number:.12g}" if 1e-4 <= abs(number) < 1e12 else ""


def _described(value: object) -> str:
    """A value for a message."""
    match value:
        case dict():
            return "a map of keys"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case str():
            return f'the text "{shorten(value)}"'
    return f"the number {value}"


def _version(fault: Fault) -> Iterator[Diagnostic]:
    help = "write `story: 1`, or upgrade onestory for a newer format"
    yield fault.finding("S124", f"story format {fault.value} is not supported; this version reads format 1", help)


def _choice(fault: Fault) -> Iterator[Diagnostic]:
    *others, last = (str(item) for item in fault.limit)
    allowed = f"{', '.join(others)} or {last}"
    help = did_you_mean(fault.value, (*others, last)) or f"use {allowed}"
    yield fault.finding("S123", f'{fault.field} must be {allowed}, not "{fault.value}"', help)


def _range(words: str) -> Callable[[Fault], Iterator[Diagnostic]]:
    def handler(fault: Fault) -> Iterator[Diagnostic]:
        limit = fault.limit
        yield fault.finding("S125", f"{fault.field} must be {words} {limit}, not {fault.value}", fault.example)

    return handler


def _pattern(fault: Fault) -> Iterator[Diagnostic]:
    if fault.limit == _NOT_EMPTY:
        yield fault.finding("S141", f"{fault.field} is empty", fault.example)
    elif fault.about_key or fault.path[-1] == "id" or "from" in fault.path:
        yield _bad_id(fault)
    else:
        yield fault.finding("S126", f'{fault.field} cannot be "{fault.value}"', fault.example)


def _bad_id(fault: Fault) -> Diagnostic:
    slug = re.sub(r"[^a-z0-9]+", "-", str(fault.instance).lower()[:64]).strip("-").lstrip("-0123456789")
    rule = "an id has lower-case letters, digits and inner dashes, and starts with a letter"
    return fault.finding("S127", f'"{fault.value}" is not an id', f'write "{slug}"; {rule}' if slug else rule)


def _too_long(fault: Fault) -> Iterator[Diagnostic]:
    most, length = fault.limit, len(fault.instance)
    name = f'the id "{fault.value}"' if fault.about_key else fault.field
    yield fault.finding("S128", f"{name} has {length} characters; the maximum is {most}", "shorten it")


def _no_items(fault: Fault) -> Iterator[Diagnostic]:
    yield fault.finding("S129", f"{fault.field} is empty", fault.example)


def _too_many_items(fault: Fault) -> Iterator[Diagnostic]:
    most, count = fault.limit, len(fault.instance)
    help = "split the film into several stories"
    yield fault.finding("S129", f"{fault.field} has {count} items; the maximum is {most}", help)


_HANDLERS: dict[str, Callable[[Fault], Iterator[Diagnostic]]] = {
    "additionalProperties": _unknown,
    "type": _type,
    "const": _version,
    "enum": _choice,
    "minimum": _range("at least"),
    "exclusiveMinimum": _range("more than"),
    "maximum": _range("at most"),
    "pattern": _pattern,
    "maxLength": _too_long,
    "minItems": _no_items,
    "maxItems": _too_many_items,
}
