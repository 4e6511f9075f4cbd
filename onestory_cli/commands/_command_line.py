"""The command line of an invocation, for a message that tells the user to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import typer


def command_line(context: typer.Context, without: str = "") -> str:
    """Return the given arguments without defaults, quoted for a shell: `onestory batch stories --out films`.

    `without` is a flag to leave out.
    """
    return shlex.join([*context.command_path.split(), *(word for word in _words(context) if word != without)])


def was_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter was on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _words(context: typer.Context) -> Iterator[str]:
    for parameter in context.command.params:
        name = str(parameter.name)
        if was_given(context, name):
            values = context.params[name]
            for value in values if isinstance(values, list | tuple) else [values]:
                yield from _of_one(parameter, value)


def _of_one(parameter: Any, value: object) -> Iterator[str]:
    if parameter.param_type_name == "option":
        yield parameter.opts[0]
    if not getattr(parameter, "is_flag", False):
        yield str(value)
