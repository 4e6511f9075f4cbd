"""The command line: the list of commands, and the exit code for every way in which a command can end."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer
from typer.core import TyperGroup

from onestory_cli.console import ClosedPipe, Console, ErrorStream, ResultStream, UnwritableOutput
from onestory_cli.errors import ExitCode, OnestoryError, from_exception
from onestory_cli.utils.system import WINDOWS
from onestory_cli.utils.text import is_typo
from onestory_cli.version import __version__

COMMANDS = {
    "Make a film": ("new", "validate", "plan", "render", "resume", "watch", "batch", "import"),
    "Manage a run": ("review", "take", "verify", "prune", "export"),
    "Inspect a film": ("inspect", "inspect-memory", "diff", "report", "contact-sheet"),
    "Reference": ("models", "schema", "explain", "help", "doctor", "lsp"),
    "Laboratory": ("curate", "train", "evaluate"),
}
MODULES = {"import": "import_story", "inspect": "inspect_film"}  # names that are a keyword or a standard module
OPTION_HINTS = {"--model": "set the model in the story (`model: NAME`); `batch --set model=NAME` sets it for a batch"}
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # of click; typer exports only this subclass


class CommandGroup(TyperGroup):
    """The program. It lists its commands in the order of `COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for panel in COMMANDS.values() for name in panel if name in self.commands]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"onestory {__version__}\n")
        raise typer.Exit


def _onestory(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def open_app(only: str = "") -> typer.Typer:
    """Return the program with the command `only`, or with all commands, which take longer to import than most run."""
    app = typer.Typer(
        name="onestory",
        cls=CommandGroup,
        help="A compiler from screenplays to films that remember what they have shown.",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        suggest_commands=False,  # `_usage_error` does, and only for likely typing errors
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_onestory)
    panels = {name: panel for panel, names in COMMANDS.items() for name in names}
    for name in [only] if only in panels else panels:
        module = import_module("onestory_cli.commands." + MODULES.get(name, name.replace("-", "_")))
        if hasattr(module, "group"):
            app.add_typer(module.group, name=name, rich_help_panel=panels[name])
        else:
            app.command(name, rich_help_panel=panels[name])(module.command)
    return app


class Terminator:
    """SIGTERM handler. It unwinds the stack like Ctrl-C and records the signal for the exit code."""

    def __init__(self) -> None:
        self.arrived = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the `onestory` program and exit."""
    terminator = Terminator()
    signal.signal(signal.SIGTERM, terminator)
    _open_missing_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            set_encoding(stream)
    sys.stdout, sys.stderr = cast(TextIO, ResultStream(sys.stdout)), cast(TextIO, ErrorStream(sys.stderr))
    console = Console(stdout=sys.stdout, stderr=sys.stderr, color=not os.environ.get("NO_COLOR"))
    code = run(sys.argv[1:], console)
    gc.freeze()  # otherwise the exit visits and frees each object of torch, which takes as long as two shots
    sys.exit(ExitCode.TERMINATED if code is ExitCode.INTERRUPTED and terminator.arrived else code)


def set_encoding(stream: io.TextIOWrapper, *, windows: bool = WINDOWS) -> None:
    """Escape characters that the terminal lacks. On Windows, files and pipes get UTF-8, not the code page."""
    if windows and not stream.isatty():
        stream.reconfigure(encoding="utf-8")
    stream.reconfigure(errors="backslashreplace")


def _open_missing_descriptors() -> None:
    """Point closed standard streams to /dev/null. Otherwise the next file would get descriptor 1 or 2, and C libraries
    that log to stderr would write into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def run(arguments: Sequence[str], console: Console) -> ExitCode:
    """Run one command line, print the error that ends it, and return the exit code."""
    command = next((item for item in arguments if not item.startswith("-")), "")
    try:
        code, fault = _run(arguments, console)
        if fault:
            console.fault(fault, command=command, json="--json" in arguments)
        console.flush()
    except ClosedPipe:  # `onestory plan FILE | head`
        return ExitCode.BROKEN_PIPE
    except UnwritableOutput as fault:
        console.fault(fault, command=command, json=False)
        return fault.exit
    return code


def _run(arguments: Sequence[str], console: Console) -> tuple[ExitCode, OnestoryError | None]:
    """Run one command line; return its exit code and the error that ended it."""
    try:
        app = open_app(*arguments[:1])
        return ExitCode(app(list(arguments), prog_name="onestory", standalone_mode=False, obj=console)), None
    except KeyboardInterrupt:  # the second one; Typer turns the first into 130
        return ExitCode.INTERRUPTED, None
    except (ClosedPipe, UnwritableOutput):
        raise
    except OnestoryError as fault:
        return fault.exit, fault
    except UsageError as fault:
        if type(fault).__name__ == "NoArgsIsHelpError":  # a group without a command; its help is printed already
            return ExitCode.USAGE, None
        error = _usage_error(fault)
        return error.exit, error
    except Exception as fault:
        error = from_exception(fault, arguments)
        return error.exit, error


def _usage_error(fault: Any) -> OnestoryError:
    """Convert an error of click to U606, with a hint if it looks like a typing error."""
    context, option = getattr(fault, "ctx", None), getattr(fault, "option_name", "")
    path = context.command_path if context else "onestory"
    message = str(fault.message) if getattr(fault, "possibilities", None) else fault.format_message()
    if option in OPTION_HINTS and message.startswith("No such option"):
        hint = OPTION_HINTS[option]
    elif missing := _missing_option(fault):
        hint = f"{missing}; `{path} --help` shows all options"
    else:
        word, known = (
            (option, _options(context)) if option else (message.partition("'")[2].rstrip("'."), _names(context))
        )
        near = [f"`{name}`" for name in known if is_typo(word, name)]
        hint = f"did you mean {' or '.join(near)}? `{path} --help` shows how" if near else f"`{path} --help` shows how"
    return OnestoryError("U606", message.rstrip("."), help=hint, exit=ExitCode.USAGE)


def _missing_option(fault: Any) -> str:
    """What to add for a missing option; "" for other errors."""
    option = getattr(fault, "param", None)
    if type(fault).__name__ != "MissingParameter" or not option or not option.opts[0].startswith("--"):
        return ""
    about = str(option.help or "").rstrip(".")
    return f"add `{option.opts[0]} {option.metavar or ''}`: {about[:1].lower()}{about[1:]}"


def _names(context: Any) -> Iterable[str]:
    return getattr(context.command, "commands", {}) if context else ()


def _options(context: Any) -> Iterable[str]:
    return [name for item in context.command.params for name in item.opts if name.startswith("--")] if context else ()
