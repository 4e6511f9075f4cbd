"""`onestory import`: convert a story of another tool."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import write_new
from onestory_cli.commands._options import Json, argument, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.importers import Imported


class SourceFormat(StrEnum):
    """The readable formats: the keys of `importers.FORMATS`, which is slow to import. A test compares them."""

    STORYMEM = "storymem"
    VIMAX = "vimax"
    SHOTSTREAM = "shotstream"
    HOLOCINE = "holocine"
    MEMFLOW = "memflow"
    ECHOSHOT = "echoshot"
    FOUNTAIN = "fountain"


def command(
    context: typer.Context,
    file: Annotated[Path, argument(metavar="FILE", help="Story of another tool.")],
    source: Annotated[
        SourceFormat | None,
        option(
            "--from",
            metavar="TOOL",
            help=f"Format: {', '.join(SourceFormat)} [default: guessed from the file's suffix or keys].",
        ),
    ] = None,
    out: Annotated[
        Path | None, option("--out", metavar="STORY", help="Path of the story [default: next to FILE].")
    ] = None,
    number: Annotated[int | None, option("--number", metavar="N", help="Line of a .jsonl file, from 1.")] = None,
    json: Json = False,
) -> ExitCode:
    """Convert a story of StoryMem, ViMax, ShotStream, MemFlow or Fountain, and list what could not be converted."""
    from onestory_cli.importers import import_story
    from onestory_cli.story.load import read_bytes

    imported = import_story(read_bytes(file), str(file), format=source and source.value, number=number)
    path = out or _default_path(file, number)
    write_new(path, imported.text)
    screen, next = screen_of(context), f"onestory validate {shell_quote(path)}"
    if json:
        screen.document("import", **_as_json(path, imported), next=[next])
    else:
        if imported.reason:
            screen.note(f"read as {imported.format}, because of {imported.reason}; `--from` names another format")
        screen.findings(imported.remarks)
        screen.line(str(path))
        screen.note(f"next: {next}", style="dim")
    return ExitCode.DONE


def _default_path(file: Path, number: int | None) -> Path:
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
