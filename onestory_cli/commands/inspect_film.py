"""`onestory inspect`: what a film says about its making, and its story back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.new import write_new
from onestory_cli.commands.options import Json
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.errors import ExitCode

if TYPE_CHECKING:
    from onestory_cli.render.recipe import Recipe

COLUMNS = ("shot", "take", "seed", "frames", "size", "steps", "model")


def command(
    context: typer.Context,
    film: Annotated[Path, typer.Argument(metavar="FILM", help="A film that onestory made.", show_default=False)],
    extract: Annotated[
        Path | None,
        typer.Option("--extract", metavar="STORY", help="Write its story to this new file.", show_default=False),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Show what a film says about its making: story, seeds, models and tool."""
    from onestory_cli.media.mux import read_metadata
    from onestory_cli.render.recipe import Recipe

    recipe = Recipe.from_metadata(read_metadata(film))
    if extract:
        write_new(extract, recipe.story)
    screen = screen_of(context)
    if json:
        screen.document("inspect", film=str(film), extracted=str(extract) if extract else None, **asdict(recipe))
    elif extract:
        screen.line(str(extract))
        _tell_what_it_needs(screen, recipe)
    else:
        _show(screen, recipe)
    return ExitCode.DONE


def _show(screen: Screen, recipe: Recipe) -> None:
    models = [item for item in (recipe.model, recipe.first_shot_model) if item]
    names = {item.fingerprint: item.name for item in models}
    screen.line(f"{recipe.title}: {len(recipe.shots)} shots, by {recipe.tool}")
    screen.line("\n".join(f"model {item.name} ({item.fingerprint})" for item in models))
    screen.line("\n".join(f"file {name}" for name in recipe.files) + "\n" * bool(recipe.files))
    rows = [
        (
            str(shot.get("id", "")),
            str(shot.get("take", "")),
            str(shot.get("seed", "")),
            str(shot.get("frames", "")),
            f"{shot.get('width', '')}x{shot.get('height', '')}",
            str(shot.get("steps", "")),
            names.get(str(shot.get("model", "")), ""),
        )
        for shot in recipe.shots
    ]
    screen.table(COLUMNS, rows, right=("take", "seed", "frames", "steps"))


def _tell_what_it_needs(screen: Screen, recipe: Recipe) -> None:
    """What must be beside the story before it can be rendered; the folder of the film's run has it."""
    if recipe.files:
        screen.note(f"it needs {', '.join(recipe.files)}, as in the run directory of the film", style="dim")
