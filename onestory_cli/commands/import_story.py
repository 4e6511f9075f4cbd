"""`onestory import`: the story of another tool as one of ours."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json, argument, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands.new import write_new
from onestory_cli.errors import ExitCode

if TYPE_CHECKING:
    from onestory_cli.importers import Imported


class Source(StrEnum):
    """The formats that can be read; a test holds them equal to `importers.FORMATS`, which is too much to load here."""

    STORYMEM = "storymem"
    VIMAX = "vimax"
    SHOTSTREAM = "shotstream"
    HOLOCINE = "holocine"
    MEMFLOW = "memflow"
    ECHOSHOT = "echoshot"
    FOUNTAIN = "fountain"


def command(
    context: typer.Context,
    file: Annotated[Path, argument(metavar="FILE", help="The story of the other tool.")],
    source: Annotated[
        Source | None,
        option(
            "--from", metavar="TOOL", help=f"What wrote it: {', '.join(Source)}; else the file's name or keys tell."
        ),
    ] = None,
    out: Annotated[Path | None, option("--out", metavar="STORY", help="Where to write; else beside FILE.")] = None,
    number: Annotated[int | None, option("--number", metavar="N", help="Which story of a .jsonl file, from 1.")] = None,
    json: Json = False,
) -> ExitCode:
    """Make a story of a file of StoryMem, ViMax, ShotStream, MemFlow or Fountain, and list what did not fit."""
    from onestory_cli.importers import import_story
    from onestory_cli.story.load import read_bytes

    imported = import_story(read_bytes(file), str(file), format=source and source.value, number=number)
    path = out or _beside(file, number)
    write_new(path, imported.text)
    screen = screen_of(context)
    if json:
        screen.document("import", **_as_json(path, imported))
    else:
        if imported.reason:
            screen.note(f"read as {imported.format}, because of {imported.reason}; `--from` names another format")
        screen.findings(imported.remarks)
        screen.line(str(path))
        screen.note(f"next: onestory validate {path}", style="dim")
    return ExitCode.DONE


def _beside(file: Path, number: int | None) -> Path:
    stem = file.name.removesuffix(file.suffix)
    return file.with_name(f"{stem}{f'-{number}' if number else ''}.story.yaml")


def _as_json(path: Path, imported: Imported) -> dict[str, object]:
    draft = imported.draft
    return {
        "path": str(path),
        "format": imported.format,
        "title": draft.title,
        "shots": [shot.id for shot in draft.shots],
        "characters": [item.id for item in draft.characters],
        "settings": [item.id for item in draft.settings],
        "findings": [asdict(item) for item in imported.remarks],
    }
