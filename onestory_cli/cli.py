"""The Typer app: lists the commands, and turns every way to end into an exit code, in one place."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from onestory_cli import __version__
from onestory_cli.commands import (
    batch,
    contact_sheet,
    doctor,
    evaluate,
    explain,
    export,
    import_story,
    inspect_film,
    inspect_memory,
    models,
    new,
    plan,
    prune,
    render,
    report,
    resume,
    schema,
    take,
    train,
    validate,
    verify,
)
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.mishaps import coded_fault

COMMANDS = {
    "Make a film": {
        "new": new,
        "validate": validate,
        "plan": plan,
        "render": render,
        "resume": resume,
        "batch": batch,
        "import": import_story,
    },
    "Look after a run": {"take": take, "verify": verify, "prune": prune, "export": export},
    "Look": {
        "inspect": inspect_film,
        "inspect-memory": inspect_memory,
        "report": report,
        "contact-sheet": contact_sheet,
    },
    "Set up and look up": {
        "models": models,
        "schema": schema,
        "explain": explain,
        "doctor": doctor,
    },
    "Laboratory": {"train": train, "evaluate": evaluate},
}
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # of click, of which typer exports only this child


class Group(TyperGroup):
    """All commands. A reader that closes the pipe (`onestory plan ... | head`) ends the work without a word."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for panel in COMMANDS.values() for name in panel]

    def invoke(self, ctx: Any) -> ExitCode:
        try:
            code = ExitCode(super().invoke(ctx))
            sys.stdout.flush()
        except BrokenPipeError:  # typer itself would end the process with 1, which means findings here
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitCode.PARTIAL
        return code


app = typer.Typer(
    name="onestory",
    cls=Group,
    help="A compiler from screenplays to films that remember what they have shown.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, modules in COMMANDS.items():
    for name, module in modules.items():
        if hasattr(module, "group"):
            app.add_typer(module.group, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(module.command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"onestory {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _onestory(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(ExitCode.USAGE)


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
