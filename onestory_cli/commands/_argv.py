"""The command line of an invocation, to be given again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import typer


def same_command(context: typer.Context) -> str:
    """`onestory batch stories --out films`: what was given, and no defaults."""
    return shlex.join([*context.command_path.split(), *_words(context)])


def _words(context: typer.Context) -> Iterator[str]:
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is None or source.name != "COMMANDLINE":
            continue
        values = context.params[str(parameter.name)]
        for value in values if isinstance(values, list | tuple) else [values]:
            yield from _of_one(parameter, value)


def _of_one(parameter: Any, value: object) -> Iterator[str]:
    if parameter.param_type_name == "option":
        yield parameter.opts[0]
    if not getattr(parameter, "is_flag", False):
        yield str(value)
