"""Arguments and options that several commands share, each defined once."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from onestory_cli.commands._completion import story_profiles, story_shots
from onestory_cli.commands._screen import Format
from onestory_cli.errors import ExitCode
from onestory_cli.story.types import MAX_SEED


def flag(*names: str, help: str) -> Any:
    """An option without a value; the help would otherwise call it `<bool>`."""
    return typer.Option(*names, metavar="", help=help, show_default=False)


def option(*names: str, metavar: str, help: str, **more: Any) -> Any:
    """An option whose help says what holds without it, where anything does."""
    return typer.Option(*names, metavar=metavar, help=help, show_default=False, **more)


def argument(*, metavar: str, help: str, **more: Any) -> Any:
    """An argument whose help says what holds without it, where it may be left out."""
    return typer.Argument(metavar=metavar, help=help, show_default=False, **more)


def a_number(value: float | None) -> float | None:
    """The callback of an option with bounds: nan is between any.

    Raises:
        typer.BadParameter: it is nan.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


StoryFile = Annotated[Path, argument(metavar="FILE", help="The story, a .story.yaml file.")]
RunFolder = Annotated[
    Path | None, option("--run", metavar="DIR", help="The run directory; else it is beside the story.")
]
RunArgument = Annotated[Path | None, argument(metavar="[DIR]", help="The run directory; else the one here.")]
Profile = Annotated[
    str | None,
    option("--profile", metavar="NAME", help="One of the story's profiles.", autocompletion=story_profiles),
]
Seed = Annotated[int | None, option("--seed", metavar="N", min=0, max=MAX_SEED, help="Replace the story's seed.")]
Until = Annotated[
    str | None, option("--until", metavar="SHOT", help="Stop after this shot.", autocompletion=story_shots)
]
Force = Annotated[
    list[str],
    typer.Option(
        "--force", metavar="SHOT", help="Render this shot again; may be repeated.", autocompletion=story_shots
    ),
]
Takes = Annotated[
    int, typer.Option("--takes", metavar="N", min=1, help="Have N takes of each shot; the accepted one counts.")
]
TakesOf = Annotated[
    str | None,
    option("--shot", metavar="SHOT", help="With --takes: of this shot only.", autocompletion=story_shots),
]
Device = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="Where the model works: auto, cpu, cuda or cuda:1.")
]
CheckpointSeconds = Annotated[
    float,
    typer.Option(
        "--checkpoint-seconds", metavar="S", min=0, help="Keep the work on an unfinished shot at most this often."
    ),
]
RetryBad = Annotated[
    int,
    typer.Option(
        "--retry-bad",
        metavar="N",
        min=0,
        help="Of a shot whose take has faults, render up to N others; the best counts.",
    ),
]
JUnit = Annotated[
    Path | None, option("--junit", metavar="FILE", help="Also write what came of each shot as JUnit XML.")
]
Sign = Annotated[
    tuple[Path, Path] | None,
    option(
        "--sign",
        metavar="CERT KEY",
        help="Write a signed copy too, film.signed.mp4, with a C2PA manifest: made by a model.",
    ),
]
AllowOutside = Annotated[bool, flag("--allow-outside", help="Let the story name files outside its own folder.")]
Json = Annotated[bool, flag("--json", help="Write for machines: JSON on stdout.")]
FindingsFormat = Annotated[
    Format, typer.Option("--format", metavar="FORMAT", help=f"How findings are written: {', '.join(Format)}.")
]


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
