"""What the YAML parser refuses, as findings that a writer can act on. The parser itself speaks of tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from onestory_cli.errors import Diagnostic
from onestory_cli.story.text import Text

_KEY = re.compile(r"""(?<![\w-])([\w-]+)["']?:\s+\S""")
_LOOK_BACK = 1000  # characters; nobody searches for a key further to the left


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """The parser's words (any of `needles`, in problem or context) and ours. `at_start` points to what was opened."""

    needles: tuple[str, ...]
    message: str
    help: str
    at_start: bool = False
    code: str = "S106"


# The first rule that fits counts; libyaml and PyYAML's own parser use different words for the same fault.
_RULES = (
    _Rule(
        needles=("unexpected end of stream",),
        message="a quote opens here and is never closed",
        help="close it, or write the text on indented lines after `|`, which needs no quotes",
        at_start=True,
    ),
    _Rule(
        needles=("escape",),
        message="this is no escape that double quotes know",
        help="use single quotes, or write the text on indented lines after `|`: there a backslash is a backslash",
    ),
    _Rule(
        needles=("tab character", r"'\t'"),
        message="a tab indents this line",
        help="indent with spaces",
        code="S108",
    ),
    _Rule(
        needles=("cannot start any token",),
        message="text cannot start with this character",
        help="put the text in quotes, or on indented lines after `|`",
    ),
    _Rule(
        needles=("scanning an alias", "scanning an anchor", "scanning a tag", "undefined tag"),
        message="text cannot start with this character",
        help="put the text in quotes, or on indented lines after `|`",
    ),
    _Rule(
        needles=("block scalar",),
        message="text after `|` starts on the next line",
        help="break the line after `|` and indent the text",
    ),
    _Rule(
        needles=("flow mapping", "flow sequence"),
        message="a bracket opens here that is not closed, or a comma is missing after it",
        help="write one key per line instead, without brackets",
        at_start=True,
    ),
    _Rule(
        needles=("expected ':'",),
        message="this line is not `key: value`",
        help="add the colon, or indent the line so that it belongs to the text above",
        at_start=True,
    ),
    _Rule(
        needles=("block mapping", "block collection", "mapping values", "document start"),
        message="this does not fit in here",
        help="start keys of one map in the same column; text after a closing quote needs quotes around all of it",
    ),
)


def syntax_finding(text: Text, fault: yaml.YAMLError) -> Diagnostic:
    """The finding for what stopped the parser: S107 for a colon in prose, S108 for a tab, else S106."""
    problem, context = getattr(fault, "problem", None) or str(fault), getattr(fault, "context", None) or ""
    index = _index(text, getattr(fault, "problem_mark", None), 0)
    if key := _key_of_colon(text, index):
        return Diagnostic(
            code="S107",
            message=f'the text of "{key}" holds a colon, which YAML takes for a key',
            place=text.place(index, index + 1),
            help=f"use `{key}: |` and write the text indented on the next line; there a colon is a colon",
        )
    rule = next((item for item in _RULES if any(needle in problem + context for needle in item.needles)), None)
    if rule is None:
        return Diagnostic(
            code="S106",
            message=f"this is not YAML: {problem}",
            place=text.place(index, index + 1),
            help="compare with the stories in examples/, or start with `onestory new NAME`",
        )
    if rule.at_start:
        index = _index(text, getattr(fault, "context_mark", None), index)
    return Diagnostic(code=rule.code, message=rule.message, place=text.place(index, index + 1), help=rule.help)


def _index(text: Text, mark: yaml.Mark | None, default: int) -> int:
    """The position of a mark, moved back to the last character when it is behind the end."""
    index = mark.index if mark else default
    return min(index, len(text.content.rstrip()) - 1)


def _key_of_colon(text: Text, index: int) -> str | None:
    """The key whose text holds the colon at `index`, or None when no key and text stand before it on the line."""
    if text.content[index] != ":":
        return None
    first = max(text.starts[text.line_of(index) - 1], index - _LOOK_BACK)
    keys = _KEY.findall(text.content[first:index])
    return keys[-1] if keys else None
