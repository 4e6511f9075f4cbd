"""Arguments and options that several commands share, and groups of options as dataclasses."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from onestory_cli.commands._completion import story_profiles, story_shots
from onestory_cli.commands._screen import OutputFormat, Pictures
from onestory_cli.errors import ExitCode
from onestory_cli.story.types import MAX_SEED


def flag(*names: str, help: str) -> Any:
    """Define an option without a value. Without `metavar` the help would show `<bool>`."""
    return typer.Option(*names, metavar="", help=help, show_default=False)


def option(*names: str, metavar: str, help: str, **more: Any) -> Any:
    """Define an option whose default is None or named in `help`."""
    return typer.Option(*names, metavar=metavar, help=_escaped(help), show_default=False, **more)


def argument(*, metavar: str, help: str, **more: Any) -> Any:
    """Define an argument that is required or whose default is named in `help`."""
    return typer.Argument(metavar=metavar, help=_escaped(help), show_default=False, **more)


def _escaped(help: str) -> str:
    """Help texts are Rich markup, in which `[default: ...]` would be a tag."""
    return help.replace("[default", r"\[default")


def not_nan(value: float | None) -> float | None:
    """Callback of a float option with limits, which nan passes.

    Raises:
        typer.BadParameter: it is nan.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


def device_name(value: str) -> str:
    """Callback of `--device`.

    Raises:
        typer.BadParameter: it is not the name of a device of torch.
    """
    if not re.fullmatch(r"auto|cpu|mps|xpu|cuda(:\d+)?", value):
        raise typer.BadParameter(f'"{value}" is not a device: use auto, cpu, cuda or cuda:1')
    return value


StoryFile = Annotated[Path, argument(metavar="FILE", help="Story, a .story.yaml file.")]
RunFolder = Annotated[
    Path | None, option("--run", metavar="DIR", help="Run directory [default: FILE.run next to the story].")
]
RunArgument = Annotated[
    Path | None, argument(metavar="[DIR]", help="Run directory, or its story [default: the only *.run here].")
]
Profile = Annotated[
    str | None,
    option("--profile", metavar="NAME", help="Profile of the story to apply.", autocompletion=story_profiles),
]
Seed = Annotated[int | None, option("--seed", metavar="N", min=0, max=MAX_SEED, help="Replace the story's seed.")]
Until = Annotated[
    str | None, option("--until", metavar="SHOT", help="Stop after this shot.", autocompletion=story_shots)
]
Force = Annotated[
    list[str],
    typer.Option(
        "--force",
        metavar="SHOT",
        help="Render this shot again with the same seed, which gives the same picture. May be repeated.",
        autocompletion=story_shots,
    ),
]
NewSeed = Annotated[
    list[str],
    typer.Option(
        "--new-seed",
        metavar="SHOT",
        help="Render another take of this shot with a new seed, and accept it. May be repeated.",
        autocompletion=story_shots,
    ),
]
Takes = Annotated[
    int, typer.Option("--takes", metavar="N", min=1, help="Render N takes of each shot. The accepted take stays.")
]
TakesOf = Annotated[
    str | None,
    option("--shot", metavar="SHOT", help="With --takes: only of this shot.", autocompletion=story_shots),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", help="Device: auto, cpu, cuda or cuda:1.", callback=device_name),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option("--checkpoint-seconds", metavar="S", min=0, help="Seconds between checkpoints of an unfinished shot."),
]
MaxSeconds = Annotated[
    float | None,
    option("--max-seconds", metavar="S", min=1, help="Stop resumably after this time, with exit code 4."),
]
RetryBad = Annotated[
    int,
    typer.Option(
        "--retry-bad",
        metavar="N",
        min=0,
        help="If a take has faults, render up to N others and accept the best.",
    ),
]
KeepOriginal = Annotated[
    bool,
    flag("--keep-original", help="Also keep the clip in the take as the workflow or command delivered it."),
]
JUnit = Annotated[
    Path | None, option("--junit", metavar="FILE", help="Also write the result of each shot as JUnit XML.")
]
Sign = Annotated[
    tuple[Path, Path] | None,
    option(
        "--sign",
        metavar="CERT KEY",
        help="Also write film.signed.mp4 with a C2PA manifest that says a model made it.",
    ),
]
AllowOutside = Annotated[bool, flag("--allow-outside", help="Let the story read files outside its folder.")]
AllowServer = Annotated[bool, flag("--allow-outside", help="Let the model of the run be a server on another machine.")]
AllowCommands = Annotated[
    bool, flag("--allow-commands", help="Run the command that the story names as its model, with your rights.")
]
ShowPictures = Annotated[
    Pictures,
    typer.Option("--pictures", metavar="WHEN", help="Show pictures of the shots in the terminal: auto or never."),
]
Json = Annotated[bool, flag("--json", help="Write JSON to stdout.")]
FindingsFormat = Annotated[
    OutputFormat,
    typer.Option("--format", metavar="FORMAT", help=f"Format of findings: {', '.join(OutputFormat)}."),
]


Command = Callable[..., ExitCode]


def gather(command: Command) -> Command:
    """Replace each parameter whose type is a dataclass by one option per field.

    Annotate fields like parameters: `vram: Annotated[str | None, typer.Option(...)] = None`.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = signature.parameters.values()
    groups: dict[str, Any] = {item.name: item.annotation for item in parameters if is_dataclass(item.annotation)}

    @functools.wraps(command)
    def gathered(**given: Any) -> ExitCode:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return command(**given)

    spread = [each for item in parameters for each in (_options(item) if item.name in groups else [item])]
    gathered.__signature__ = signature.replace(parameters=spread)  # type: ignore[attr-defined]
    return gathered


def _options(parameter: Parameter) -> Iterator[Parameter]:
    """One parameter per field of the dataclass."""
    hints = get_type_hints(parameter.annotation, include_extras=True)
    for field in fields(parameter.annotation):
        yield parameter.replace(name=field.name, annotation=hints[field.name], default=_default(field))


def _default(field: Field[Any]) -> Any:
    """The default of a field. All calls may share a list, because Typer does not change it."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Parameter.empty if field.default is MISSING else field.default
