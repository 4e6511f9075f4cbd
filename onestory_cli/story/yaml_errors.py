"""Turn errors of the YAML parser, which are about tokens, into findings that a writer can act on."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from onestory_cli.errors import Diagnostic
from onestory_cli.story.text import Text

_KEY = re.compile(r"""(?<![\w-])([\w-]+)["']?:\s+\S""")
_LOOK_BACK = 1000  # characters to the left of a colon that are searched for its key


@dataclass(frozen=True, kw_only=True)
class _SyntaxRule:
    """Parser messages (any of `needles`, in problem or context) and ours. `at_start` points to what was opened."""

    needles: tuple[str, ...]
    message: str
    help: str
    at_start: bool = False
    code: str = "S106"


# The first match counts; libyaml and PyYAML's own parser word the same error differently.
_RULES = (
    _SyntaxRule(
        needles=("unexpected end of stream",),
        message="a quote opens here and is never closed",
        help="close it, or write the text without quotes, indented on the lines after `|`",
        at_start=True,
    ),
    _SyntaxRule(
        needles=("escape",),
        message="unknown escape sequence in a double-quoted string",
        help=r"write \\ for a backslash, or use single quotes",
    ),
    _SyntaxRule(
        needles=("tab character", r"'\t'"),
        message="a tab indents this line",
        help="indent with spaces",
        code="S108",
    ),
    _SyntaxRule(
        needles=("cannot start any token",),
        message="text cannot start with this character",
        help="put the text in quotes, or indented on the lines after `|`",
    ),
    _SyntaxRule(
        needles=("scanning an alias", "scanning an anchor", "scanning a tag", "undefined tag"),
        message="text cannot start with this character",
        help="put the text in quotes, or indented on the lines after `|`",
    ),
    _SyntaxRule(
        needles=("block scalar",),
        message="text after `|` must start on the next line",
        help="break the line after `|` and indent the text",
    ),
    _SyntaxRule(
        needles=("flow mapping", "flow sequence"),
        message="a bracket that opens here is not closed, or a comma is missing after it",
        help="write one key per line instead, without brackets",
        at_start=True,
    ),
    _SyntaxRule(
        needles=("expected ':'",),
        message="this line is not `key: value`",
        help="add the colon, or indent the line if it belongs to the text above",
        at_start=True,
    ),
    _SyntaxRule(
        needles=("block mapping", "block collection", "mapping values", "document start"),
        message="unexpected text or indentation",
        help="start keys of one map in the same column, and put quotes around the whole text",
    ),
)


def syntax_finding(text: Text, fault: yaml.YAMLError, quoted: tuple[int, int] | None = None) -> Diagnostic:
    """The finding for a parser error: S107 for a colon in prose, S108 for a tab, else S106.

    `quoted` is the span of the last text in quotes before the error.
    """
    problem, context = getattr(fault, "problem", None) or str(fault), getattr(fault, "context", None) or ""
    index = _index(text, getattr(fault, "problem_mark", None), 0)
    if quoted and text.line_of(quoted[1] - 1) == text.line_of(index) and quoted[1] <= index:
        return _after_quote(text, quoted, index)
    if key := _key_of_colon(text, index):
        return Diagnostic(
            code="S107",
            message=f'the text of "{key}" contains a colon, which YAML reads as a key',
            place=text.place(index, index + 1),
            help=f"use `{key}: |` and write the text indented on the next line",
        )
    rule = next((item for item in _RULES if any(needle in problem + context for needle in item.needles)), None)
    if rule is None:
        return Diagnostic(
            code="S106",
            message=f"invalid YAML: {problem}",
            place=text.place(index, index + 1),
            help="compare with a story written by `onestory new NAME`",
        )
    if rule.at_start:
        index = _index(text, getattr(fault, "context_mark", None), index)
    return Diagnostic(code=rule.code, message=rule.message, place=text.place(index, index + 1), help=rule.help)


def _after_quote(text: Text, quoted: tuple[int, int], index: int) -> Diagnostic:
    """S106 for text that follows a closing quote: an unclosed quote if the text in quotes has several lines."""
    start, end = quoted
    if not text.is_one_line(start, end):
        message = f"the quote that opens here is closed only in line {text.line_of(end - 1)}"
        help = "close it where its text ends, or write the text without quotes, indented on the lines after `|`"
        return Diagnostic(code="S106", message=message, place=text.place(start, start + 1), help=help)
    single = text.content[end - 1] == "'"
    inside = "write '' for an apostrophe in single quotes" if single else 'write \\" for a quote in double quotes'
    return Diagnostic(
        code="S106",
        message="text follows a closing quote",
        place=text.place(index, index + 1),
        help=f"{inside}, or write the text without quotes, indented on the lines after `|`",
    )


def _index(text: Text, mark: yaml.Mark | None, default: int) -> int:
    """The position of a mark, moved back to the last character if it is past the end."""
    index = mark.index if mark else default
    return min(index, len(text.content.rstrip()) - 1)


def _key_of_colon(text: Text, index: int) -> str | None:
    """The key whose text contains the colon at `index`, or None if no key precedes it on the line."""
    if text.content[index] != ":":
        return None
    first = max(text.starts[text.line_of(index) - 1], index - _LOOK_BACK)
    keys = _KEY.findall(text.content[first:index])
    return keys[-1] if keys else None
