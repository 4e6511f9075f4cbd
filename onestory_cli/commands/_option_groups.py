"""Options that belong together: a frozen dataclass defines them, and a command takes them as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter
from typing import Any, get_type_hints

from onestory_cli.errors import ExitCode

Command = Callable[..., ExitCode]


def gather(command: Command) -> Command:
    """The command with an option for each field of its parameters that are dataclasses, in their place.

    Fields are annotated as parameters are: `vram: Annotated[str | None, typer.Option(...)] = None`.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = signature.parameters.values()
    kinds: dict[str, Any] = {item.name: item.annotation for item in parameters if is_dataclass(item.annotation)}

    @functools.wraps(command)
    def gathered(**given: Any) -> ExitCode:
        for name, kind in kinds.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return command(**given)

    spread = [each for item in parameters for each in (_options(item) if item.name in kinds else [item])]
    gathered.__signature__ = signature.replace(parameters=spread)  # type: ignore[attr-defined]
    return gathered


def _options(parameter: Parameter) -> Iterator[Parameter]:
    """One parameter for each field of the dataclass that `parameter` is."""
    hints = get_type_hints(parameter.annotation, include_extras=True)
    for field in fields(parameter.annotation):
        yield parameter.replace(name=field.name, annotation=hints[field.name], default=_default(field))


def _default(field: Field[Any]) -> Any:
    """One list for all calls is enough: Typer reads it and never changes it."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Parameter.empty if field.default is MISSING else field.default
