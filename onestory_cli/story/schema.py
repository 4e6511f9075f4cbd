"""Check a story against its JSON Schema, and report every violation at once, sorted by place."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from onestory_cli import schemas
from onestory_cli.errors import Diagnostic, Place, closest
from onestory_cli.memory.policies import POLICIES
from onestory_cli.schedulers import SCHEDULERS
from onestory_cli.story.schema_messages import Fault, extra_keys, findings_of, missing_key
from onestory_cli.story.source import MAX_FINDINGS, KeyPath, StorySource

_ABOUT_KEYS = ("additionalProperties", "required")


@dataclass(frozen=True, kw_only=True)
class SchemaResult:
    """`value` is the story without wrongly typed values, `valid` without any invalid values.

    Both are None if there are too many faults to continue, or if the file is not a map.
    """

    value: dict[str, Any] | None
    valid: dict[str, Any] | None
    findings: tuple[Diagnostic, ...]


def check(source: StorySource, definition: str = "") -> SchemaResult:
    """Check a parsed story, or a file that has the schema of a `definition` of the story's schema."""
    errors = _validator(definition).iter_errors(source.value)
    faults = [Fault(source, error) for error in islice(errors, MAX_FINDINGS)]
    described = (finding for fault in faults for finding in findings_of(fault))
    findings = islice(chain(described, _missing(faults)), MAX_FINDINGS)
    if len(faults) == MAX_FINDINGS:
        return SchemaResult(value=None, valid=None, findings=tuple(sorted(findings, key=position)))
    mistyped = [fault.path for fault in faults if fault.error.validator == "type"]
    invalid = [fault.path for fault in faults if fault.error.validator not in _ABOUT_KEYS and not fault.about_key]
    return SchemaResult(
        value=_without(source.value, mistyped),
        valid=_without(source.value, invalid),
        findings=tuple(sorted(findings, key=position)),
    )


def position(finding: Diagnostic) -> tuple[str, int, int, str]:
    """Sort key of findings: the order of the file, one file after the other."""
    place = finding.place or Place(path="")
    return place.path, place.line, place.column, finding.code


def spot(finding: Diagnostic) -> tuple[str, int, int]:
    """The file, line and column of a finding."""
    return position(finding)[:3]


@cache
def _validator(part: str) -> Any:
    """A validator of a story, or of a definition in its schema.

    It knows the policies and schedulers of installed packages, which the published schema cannot.
    """
    extend: Any = jsonschema.validators.extend
    schema = schemas.load()
    for name, table in (("memoryPolicy", POLICIES), ("scheduler", SCHEDULERS)):
        definition = schema["definitions"][name]
        del definition["anyOf"]
        definition["enum"] = table  # read only if a story has a value that is not built in
    if part:
        schema |= {"required": [], **schema["definitions"][part]}
    return extend(jsonschema.Draft7Validator, {"pattern": _match})(schema)


def _match(validator: object, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    # Python's $ also matches before a final line break, unlike ECMA's: "fox\n" is not an id.
    python = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and not re.search(python, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _missing(faults: list[Fault]) -> Iterator[Diagnostic]:
    """One finding for each missing key, unless a misspelt key of the same map stands in for it."""
    misspelt = {
        (fault.path, closest(key, fault.known_keys))
        for fault in faults
        if fault.error.validator == "additionalProperties"
        for key in islice(extra_keys(fault), MAX_FINDINGS)
    }
    incomplete = {fault.path: fault for fault in faults if fault.error.validator == "required"}
    for path, fault in incomplete.items():
        for key in fault.limit:
            if key not in fault.instance and (path, key) not in misspelt:
                yield missing_key(fault, key)


def _without(value: object, wrong: Iterable[KeyPath]) -> dict[str, Any] | None:
    """A copy without the values at `wrong`: keys are removed, list items become None, and shots an empty map."""
    every = set(wrong)
    paths = [path for path in every if not any(path[:length] in every for length in range(1, len(path)))]
    if not isinstance(value, dict):
        return None
    tree = copy.deepcopy(value) if paths else value
    for path in paths:
        parent: Any = tree
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict):
            del parent[path[-1]]
        else:
            parent[path[-1]] = {} if path[:-1] == ("shots",) else None
    return tree
