"""`onestory import`: convert a story of another tool."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import write_new
from onestory_cli.commands._options import Json, argument, flag, option
from onestory_cli.commands._schema_file import install_for_editors
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.importers import Imported
    from onestory_cli.models.catalog import ModelSpec

# The built-in names of `importers.FORMATS`, which is slow to import. A test compares them.
SOURCE_FORMATS = (
    *("fountain", "fdx", "table", "xlsx", "markdown", "storyboarder", "otio", "joyai", "memflow", "holocine"),
    *("shotstream", "vistorybench", "memento", "storymem", "vimax", "echoshot", "json", "text"),
)


def command(
    context: typer.Context,
    file: Annotated[
        Path, argument(metavar="FILE", help="Story of another tool, or a folder with a JSON file per shot.")
    ],
    source: Annotated[
        str | None,
        option(
            "--from",
            metavar="TOOL",
            help=f"Format: {', '.join(SOURCE_FORMATS)} [default: guessed from the file's suffix or keys].",
        ),
    ] = None,
    out: Annotated[
        Path | None, option("--out", metavar="STORY", help="Path of the story [default: next to FILE].")
    ] = None,
    model: Annotated[
        str | None,
        option("--model", metavar="NAME", help="Model of the story [default: the best one on this machine]."),
    ] = None,
    number: Annotated[int | None, option("--number", metavar="N", help="Story of a file with several, from 1.")] = None,
    columns: Annotated[
        str | None,
        option("--columns", metavar="FIELD=HEADING,...", help="Columns of a shot list, such as caption=Action."),
    ] = None,
    narration: Annotated[
        bool, flag("--narration", help="Give shots with dialogue a slot for its recording, as a comment.")
    ] = False,
    check: Annotated[bool, flag("--check", help="Write nothing; count what is kept and lost.")] = False,
    json: Json = False,
) -> ExitCode:
    """Convert a screenplay, a shot list, a storyboard, prompts or a story of another tool, and list what is lost."""
    screen = screen_of(context)
    path = out or _default_path(file, number)
    spec, why = _model(model, file.parent)
    imported = _convert(file, path, number, format=source, columns=_columns(columns), model=spec, narration=narration)
    if not check:
        write_new(path, imported.text)
        install_for_editors(screen, path)
    next = [] if check else [f"onestory {verb} {shell_quote(path)}" for verb in ("validate", "plan")]
    if json:
        screen.document("import", **_as_json(path, imported), model=spec.name, written=not check, next=next)
    else:
        _show_notes(screen, imported, why)
        counts = [f"{count:6}  {what}" for what, count in imported.counts.items()]
        screen.lines(counts if check else [str(path)])
        for line in next[:1]:
            screen.note(f"next: {line}", style="dim")
    return ExitCode.DONE


def _convert(
    file: Path,
    story: Path,
    number: int | None,
    *,
    format: str | None,
    columns: dict[str, str],
    model: ModelSpec,
    narration: bool,
) -> Imported:
    """Import a file for a story at the path `story`, without writing it."""
    from onestory_cli.importers import import_story

    data, name, number = _read(file, number)
    return import_story(
        data,
        name,
        format=format,
        number=number,
        columns=columns,
        model=model,
        narration=narration,
        has_picture=lambda image: _is_picture(file.parent, story.parent, image),
    )


def _show_notes(screen: Screen, imported: Imported, why: str) -> None:
    if imported.reason:
        screen.note(f"read as {imported.format}, because of {imported.reason}; `--from` names another format")
    for note in (*imported.notes, *([why] if why else [])):
        screen.note(note)
    screen.findings(imported.remarks)


def _model(name: str | None, folder: Path) -> tuple[ModelSpec, str]:
    """The model of the story, and a note if it was chosen."""
    from onestory_cli.models.availability import best_installed
    from onestory_cli.models.catalog import find

    if name:
        return find(name, relative_to=folder), ""
    if spec := best_installed():
        return spec, f"the story uses {spec.name}, which is on this machine; `--model` names another one"
    why = "the story uses storyworld, which draws only its own small world: no other model is on this machine"
    return find("storyworld"), f"{why}; `--model` names one"


def _read(file: Path, number: int | None) -> tuple[bytes, str, int | None]:
    """The bytes of a source, its name, and the number that is left to choose a story in it.

    All JSON files of a folder are one list. A table of JSON files is the one in row `number`.
    """
    from onestory_cli.importers.listed_files import file_in_row, shots_of_folder
    from onestory_cli.story.load import read_bytes

    if file.is_dir():
        data, number = shots_of_folder(file, number)
        return data, str(file), number
    data = read_bytes(file)
    row = file_in_row(file, data, number)
    return (data, str(file), number) if row is None else (*row, None)


def _is_picture(source: Path, story: Path, image: str) -> bool:
    """Whether a path of the source is a picture in the folder of the story, which is that of the source too."""
    from onestory_cli.story.pictures import PictureCheck

    file = source / image
    inside = len(image) < 300 and ".." not in Path(image).parts and not Path(image).is_absolute()
    try:
        return inside and source.resolve() == story.resolve() and file.is_file() and not PictureCheck()(file, image)
    except (OSError, ValueError):
        return False


def _columns(text: str | None) -> dict[str, str]:
    """The map in `caption=Action,duration=Len`."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if wrong := [key for key, sign, value in pairs if not sign or not value.strip()]:
        message = f'"{shorten(wrong[0])}" in --columns is not FIELD=HEADING'
        raise OnestoryError("U606", message, help="write caption=Action,duration=Length", exit=ExitCode.USAGE)
    return {key.strip(): value.strip() for key, _, value in pairs}


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
        "counts": imported.counts,
        "findings": [asdict(item) for item in imported.remarks],
    }
