"""`onestory inspect`: what a film says about its making, and its story back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json, argument, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.commands.new import write_new
from onestory_cli.errors import Diagnostic, ExitCode, shorten

if TYPE_CHECKING:
    from onestory_cli.media.signature import Signature
    from onestory_cli.rendering.provenance import Provenance

STATES = {
    "trusted": "valid, and this machine knows who vouches for the signer",
    "valid": "valid, but nobody here vouches for the signer",
    "invalid": "NOT VALID",
}
COLUMNS = ("shot", "take", "seed", "frames", "size", "steps", "model")


def command(
    context: typer.Context,
    film: Annotated[Path, argument(metavar="FILM", help="A film that onestory made.")],
    extract: Annotated[
        Path | None, option("--extract", metavar="STORY", help="Write its story to this new file.")
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Show what a film says about its making: story, seeds, models, tool, and who signed it."""
    from onestory_cli.media.mux import read_metadata
    from onestory_cli.media.signature import read_signature
    from onestory_cli.rendering.provenance import Provenance

    recipe, signature = Provenance.from_metadata(read_metadata(film)), read_signature(film)
    if extract:
        write_new(extract, recipe.story)
    screen = screen_of(context)
    if json:
        extracted, signed = str(extract) if extract else None, asdict(signature) if signature else None
        screen.document("inspect", film=str(film), extracted=extracted, signature=signed, **asdict(recipe))
    elif extract:
        screen.line(str(extract))
        _tell_what_it_needs(screen, recipe)
    else:
        _show(screen, recipe, signature)
    return _verdict(screen, film, signature)


def _verdict(screen: Screen, film: Path, signature: Signature | None) -> ExitCode:
    """M518 where the signature does not hold, which is told on stderr in every form of the result."""
    if signature is None or signature.state != "invalid":
        return ExitCode.DONE
    message = f'the signature of "{shorten(film)}" does not hold: {shorten(", ".join(signature.problems), 200)}'
    screen.findings([Diagnostic(code="M518", message=message, help="believe neither film nor signature")])
    return ExitCode.FINDINGS


def _show(screen: Screen, recipe: Provenance, signature: Signature | None) -> None:
    models = [item for item in (recipe.model, recipe.first_shot_model) if item]
    names = {item.fingerprint: item.name for item in models}
    screen.line(f"{recipe.title}: {len(recipe.shots)} shots, by {recipe.tool}")
    screen.lines(f"model {item.name} ({item.fingerprint})" for item in models)
    screen.lines([f"file {name}" for name in recipe.files] + [""])
    if recipe.files:
        screen.line("")
    if signature:
        screen.lines([*_about(signature), ""])
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


def _about(signature: Signature) -> Iterator[str]:
    if signature.state == "unchecked":
        yield "signed, unchecked: pip install 'onestory[sign]' to see by whom, and whether it holds"
        return
    of = f" ({shorten(signature.organisation)})" if signature.organisation else ""
    yield f"signed by {shorten(signature.signer) or 'nobody who says so'}{of}: {STATES[signature.state]}"
    if signature.made_by_a_model:
        yield "signed as made by a model" + "".join(f", from {shorten(name)}" for name in signature.pictures)


def _tell_what_it_needs(screen: Screen, recipe: Provenance) -> None:
    """What must be beside the story before it can be rendered; the folder of the film's run has it."""
    if recipe.files:
        screen.note(f"it needs {', '.join(recipe.files)}, as in the run directory of the film", style="dim")
