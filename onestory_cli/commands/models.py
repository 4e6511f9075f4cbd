"""`onestory models`: what a story can name after `model:`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from onestory_cli.commands.options import Json
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import CATALOG, ModelSpec, find

COLUMNS = ("model", "size", "frames", "fps", "memory", "licence", "about")


def command(
    context: typer.Context,
    words: Annotated[bool, typer.Option("--words", help="List the words that each model knows.")] = False,
    json: Json = False,
) -> ExitCode:
    """List the models and what they can do."""
    screen = screen_of(context)
    specs = [spec for spec in map(_installed, CATALOG) if spec]
    missing = [name for name in CATALOG if name not in {spec.name for spec in specs}]
    if json:
        screen.document("models", models=[asdict(spec) for spec in specs], missing=missing)
    elif words:
        _show_words(specs, screen)
    else:
        screen.table(COLUMNS, [*map(_row, specs), *((name, "not installed", *[""] * 5) for name in missing)])
    return ExitCode.DONE


def _installed(name: str) -> ModelSpec | None:
    try:
        return find(name)
    except OnestoryError:
        return None


def _row(spec: ModelSpec) -> tuple[str, ...]:
    frames = f"{spec.frames} (to {spec.max_frames})"
    memory = f"{spec.memory_frames} frames, budget {spec.budget:g}"
    return spec.name, f"{spec.width}x{spec.height}", frames, str(spec.fps), memory, spec.licence, spec.about


def _show_words(specs: list[ModelSpec], screen: Screen) -> None:
    for spec in specs:
        if spec.words is None:
            screen.note(f"{spec.name} knows any word")
        else:
            screen.note(f"{spec.name} knows {len(spec.words)} words:")
            screen.line("\n".join(spec.words))
