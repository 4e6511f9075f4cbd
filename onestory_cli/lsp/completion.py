"""What can be written at a place: `$ids`, keys, models, policies, shots to remember, words that the model knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from onestory_cli import schemas
from onestory_cli.lsp.document import StoryDocument, key_path

_AFTER_DOLLAR = re.compile(r"\$([a-z0-9-]*)$")
_VALUE = re.compile(r"(?:^|[\s{,-])([a-z_]+):\s*(?P<start>[^\s,}\]{\[]*)$")
_LIST = re.compile(r"(?:^|[\s{,-])from:\s*\[(?:[^\]]*,)?\s*(?P<start>[a-z0-9-]*)$")
_OPEN_MAP = re.compile(r"([A-Za-z0-9_-]+):\s*\{[^{}]*$")
_CAPTION = re.compile(r"(?:^|[\s{,-])caption:\s[^}]*$")
_WORD_START = re.compile(r"[\w'’-]*$")
_KEY_START = re.compile(r"^\s*(?:- +)*(?P<start>[A-Za-z_-]*)$|[{,]\s*(?P<inner>[A-Za-z_-]*)$")


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One suggestion: `text` replaces the `typed` characters before the cursor."""

    text: str
    kind: str
    detail: str
    typed: int


def complete(document: StoryDocument, offset: int) -> list[Completion]:
    """Return what can be written at an offset, best first."""
    line = document.text[document.text.rfind("\n", 0, offset) + 1 : offset]
    if match := _AFTER_DOLLAR.search(line):
        return [*_ids(document, len(match[1]))]
    if match := _LIST.search(line):
        return [
            Completion(text=shot, kind="shot", detail="shot", typed=len(match["start"])) for shot in document.shots()
        ]
    path = key_path(document.text, offset)
    if path[-1:] == ("caption",) or _CAPTION.search(line):
        return [*_words(document, _WORD_START.search(line)[0])]  # type: ignore[index]
    if match := _VALUE.search(line):
        return [*_values(document, match[1], len(match["start"]))]
    if match := _KEY_START.search(line):
        typed = len(match["start"] or match["inner"] or "")
        opened = _OPEN_MAP.search(line)
        return [*_keys((*path, opened[1]) if opened else path, typed)]
    return []


def _ids(document: StoryDocument, typed: int) -> Iterator[Completion]:
    for id, kind in document.cast().items():
        yield Completion(text=id, kind=kind, detail=document.look(id) or kind, typed=typed)


def _words(document: StoryDocument, typed: str) -> Iterator[Completion]:
    """Words of the model's vocabulary, if it is closed."""
    plan = document.parsed.plan
    if plan is None or not typed:
        return
    for word in plan.model.words or ():
        if word.casefold().startswith(typed.casefold()):
            yield Completion(text=word, kind="word", detail=f"a word of {plan.model.name}", typed=len(typed))


def _values(document: StoryDocument, key: str, typed: int) -> Iterator[Completion]:
    if key in ("model", "first_shot_model"):
        from onestory_cli.models.catalog import CATALOG

        for name in CATALOG:
            yield Completion(text=name, kind="value", detail="model", typed=typed)
    elif key == "policy":
        from onestory_cli.memory.policies import POLICIES

        for name in POLICIES:
            yield Completion(text=name, kind="value", detail="memory policy", typed=typed)
    else:
        for value in sorted(_enums().get(key, ())):
            yield Completion(text=value, kind="value", detail=key, typed=typed)


def _keys(path: tuple[str, ...], typed: int) -> Iterator[Completion]:
    for name, schema in properties_at(path).items():
        yield Completion(text=f"{name}: ", kind="key", detail=description_of(schema), typed=typed)


def properties_at(path: tuple[str, ...]) -> dict[str, Any]:
    """Return the schemas of the keys that a map at a key path may have."""
    schema: dict[str, Any] = schemas.load()
    for step in path:
        schema = _resolve(schema)
        named = schema.get("properties", {}).get(step) or _any_key(schema)
        schema = schema.get("items", {}) if step == "*" else named
        if not isinstance(schema, dict):
            return {}
    found: dict[str, Any] = _resolve(schema).get("properties", {})
    return found


def description_of(schema: dict[str, Any]) -> str:
    """Return the description of a key's schema, or else of the definition that it refers to."""
    return str(schema.get("description") or _resolve(schema).get("description") or "")


def _any_key(schema: dict[str, Any]) -> Any:
    """The schema of values under free keys, such as ids."""
    patterns = [value for key, value in schema.get("patternProperties", {}).items() if not key.startswith("^x-")]
    extra = schema.get("additionalProperties")
    return patterns[0] if patterns else extra if isinstance(extra, dict) else {}


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and take the map among alternatives."""
    root = schemas.load()
    for _ in range(8):
        if "$ref" in schema:
            target: Any = root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        elif options := schema.get("oneOf") or schema.get("anyOf"):
            maps = [option for option in options if "properties" in _resolve(option)]
            schema = maps[0] if maps else options[0]
        else:
            return schema
    return schema


@cache
def _enums() -> dict[str, set[str]]:
    """Key -> the words that the schema allows for it, anywhere."""
    found: dict[str, set[str]] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in (node.get("properties") or {}).items():
                if isinstance(value, dict) and isinstance(value.get("enum"), list):
                    found.setdefault(key, set()).update(item for item in value["enum"] if isinstance(item, str))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schemas.load())
    return found
