"""`onestory evaluate`: measure how well a model remembers on held-out stories, or measure one film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._evaluate_film import MeasureFlags, evaluate_film, film_folder, is_film, refuse_other_options
from onestory_cli.commands._evaluate_model import Against, BenchmarkFlags, evaluate_model
from onestory_cli.commands._files import SCORES, require_writable
from onestory_cli.commands._options import Device, Json, flag, gather, option
from onestory_cli.commands._report_page import Replace
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import find


@gather
def command(
    context: typer.Context,
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]",
            help="Name from `onestory models`, model folder, or film (story, run directory or folder of clips).",
        ),
    ] = "storyworld",
    benchmark: BenchmarkFlags,
    out: Annotated[Path | None, option("--out", metavar="FILE", help="Write the result as JSON to this file.")] = None,
    against: Against = None,
    markdown: Annotated[bool, flag("--markdown", help="Print the tables as Markdown.")] = False,
    measure: MeasureFlags,
    device: Device = "auto",
    force: Replace = False,
    json: Json = False,
) -> ExitCode:
    """Measure a storyworld model on films of held-out stories, or measure one film."""
    refuse_other_options(context, model)
    if out:
        require_writable(out, SCORES, force=force)
    screen = screen_of(context)
    if is_film(model):
        return evaluate_film(screen, film_folder(model), measure, out=out, markdown=markdown, device=device, json=json)
    spec = find(model)
    return evaluate_model(
        screen, spec, benchmark, against=against, out=out, markdown=markdown, device=device, json=json
    )
