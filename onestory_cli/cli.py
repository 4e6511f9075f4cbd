"""The Typer app: lists the commands, and turns every way to end into an exit code, in one place."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.mishaps import coded_fault
from onestory_cli.version import __version__

COMMANDS = {
    "Make a film": ("new", "validate", "plan", "render", "resume", "batch", "import"),
    "Look after a run": ("take", "verify", "prune", "export"),
    "Look": ("inspect", "inspect-memory", "report", "contact-sheet"),
    "Set up and look up": ("models", "schema", "explain", "help", "doctor", "lsp"),
    "Laboratory": ("curate", "train", "evaluate"),
}
OTHER_MODULES = {"import": "import_story", "inspect": "inspect_film"}  # what is a word or a module of Python
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # of click, of which typer exports only this child


class Group(TyperGroup):
    """All commands. A reader that closes the pipe (`onestory plan ... | head`) ends the work without a word."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for panel in COMMANDS.values() for name in panel if name in self.commands]

    def invoke(self, ctx: Any) -> ExitCode:
        try:
            code = ExitCode(super().invoke(ctx))
            sys.stdout.flush()
        except BrokenPipeError:  # typer itself would end the process with 1, which means findings here
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.PARTIAL
        return code


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"onestory {__version__}")
        raise typer.Exit


def _onestory(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(ExitCode.USAGE)


def open_app(only: str = "") -> typer.Typer:
    """The program with all its commands, or with the one that a line names: loading all takes longer than most do."""
    app = typer.Typer(
        name="onestory",
        cls=Group,
        help="A compiler from screenplays to films that remember what they have shown.",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_onestory)
    panels = {name: panel for panel, names in COMMANDS.items() for name in names}
    for name in [only] if only in panels else panels:
        module = import_module("onestory_cli.commands." + OTHER_MODULES.get(name, name.replace("-", "_")))
        if hasattr(module, "group"):
            app.add_typer(module.group, name=name, rich_help_panel=panels[name])
        else:
            app.command(name, rich_help_panel=panels[name])(module.command)
    return app


class Terminator:
    """SIGTERM unwinds the stack as Ctrl-C does, and is remembered for the exit code."""

    def __init__(self) -> None:
        self.arrived = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        raise KeyboardInterrupt


def main() -> NoReturn:
    """The `onestory` program."""
    terminator = Terminator()
    signal.signal(signal.SIGTERM, terminator)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a title may hold letters that the terminal does not know
    console = Console(stdout=sys.stdout, stderr=sys.stderr, color=not os.environ.get("NO_COLOR"))
    code = run(sys.argv[1:], console)
    sys.exit(ExitCode.TERMINATED if code is ExitCode.INTERRUPTED and terminator.arrived else code)


def run(arguments: Sequence[str], console: Console) -> ExitCode:
    """Run one command line, show what ended it, and return its exit code."""
    command = next((item for item in arguments if not item.startswith("-")), "")
    json = "--json" in arguments
    try:
        app = open_app(*arguments[:1])
        return ExitCode(app(list(arguments), prog_name="onestory", standalone_mode=False, obj=console))
    except KeyboardInterrupt:  # the second one; Typer turns the first into 130
        return ExitCode.INTERRUPTED
    except OnestoryError as fault:
        end = fault
    except UsageError as fault:
        if type(fault).__name__ == "NoArgsIsHelpError":  # a group alone: its help is out already
            return ExitCode.USAGE
        end = usage_fault(fault)
    except Exception as fault:
        end = coded_fault(fault, arguments)
    console.fault(end, command=command, json=json)
    return end.exit


def usage_fault(fault: Any) -> OnestoryError:
    """A wrong command line, with what was probably meant."""
    message = str(getattr(fault, "message", "")) if getattr(fault, "possibilities", None) else fault.format_message()
    near = [f"`{item}`" for item in getattr(fault, "possibilities", None) or ()]
    context = getattr(fault, "ctx", None)
    path = context.command_path if context else "onestory"
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return OnestoryError("U606", message.rstrip("."), help=f"{hint}`{path} --help` shows how", exit=ExitCode.USAGE)
