from dataclasses import dataclass, field
from typing import Annotated

import typer
from typer.testing import CliRunner

from onestory_cli.commands._options import gather
from onestory_cli.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class Light:
    where: Annotated[str, typer.Argument(metavar="WHERE")]
    lamps: Annotated[int, typer.Option("--lamps", min=1, help="How many.")] = 2
    colours: Annotated[list[str], typer.Option("--colour")] = field(default_factory=list)


def output_of(*arguments: str) -> str:
    app = typer.Typer()

    @app.command()
    @gather
    def command(*, before: Annotated[str, typer.Argument()], light: Light, loud: bool = False) -> ExitCode:
        """Light it."""
        typer.echo(f"{before} {light} {loud}")
        return ExitCode.DONE

    return CliRunner().invoke(app, arguments).output


def test_dataclass_fields_are_passed_as_one_value():
    given = output_of("dusk", "beach", "--lamps", "3", "--colour", "red", "--colour", "blue", "--loud")
    assert given == f"dusk {Light(where='beach', lamps=3, colours=['red', 'blue'])} True\n"


def test_missing_options_have_their_defaults():
    assert output_of("dusk", "beach") == f"dusk {Light(where='beach')} False\n"


def test_fields_are_validated_and_documented_like_options():
    assert "'--lamps': 0 is not in the range" in output_of("dusk", "beach", "--lamps", "0")
    assert "How many." in output_of("--help")
