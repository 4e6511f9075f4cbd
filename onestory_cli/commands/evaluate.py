"""`onestory evaluate`: how well a model remembers, measured on films of held-out stories; or one film that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._evaluate_film import MeasureFlags, evaluate_film, is_film, refuse_other_options
from onestory_cli.commands._evaluate_model import Against, BenchmarkFlags, evaluate_model
from onestory_cli.commands._options import Device, Json, flag, gather, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import find


@gather
def command(
    context: typer.Context,
    *,
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A name of `onestory models`, a model folder, or a film.")
    ] = "storyworld",
    benchmark: BenchmarkFlags,
    out: Annotated[Path | None, option("--out", metavar="FILE", help="Write the result as JSON.")] = None,
    against: Against = None,
    markdown: Annotated[bool, flag("--markdown", help="Write the tables as Markdown.")] = False,
    measure: MeasureFlags,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Measure a storyworld model on films of held-out stories, or a film: a run directory or a folder of clips."""
    refuse_other_options(context, model)
    if out:
        _require_place(out)
    screen = screen_of(context)
    if is_film(model):
        return evaluate_film(screen, Path(model), measure, out=out, markdown=markdown, device=device, json=json)
    spec = find(model)
    return evaluate_model(
        screen, spec, benchmark, against=against, out=out, markdown=markdown, device=device, json=json
    )


def _require_place(out: Path) -> None:
    """Refuse, before hours of work, what no file can be written to.

    Raises:
        typer.BadParameter: a folder, or a file in none.
    """
    if out.is_dir():
        raise typer.BadParameter(f'--out: "{out}" is a folder, and a file is to be written')
    if not out.parent.is_dir():
        raise typer.BadParameter(f'--out: there is no folder "{out.parent}"')
