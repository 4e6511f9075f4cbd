"""The JSON Schema of stories as a file next to them, where the first line of a story tells editors to look for it."""

from __future__ import annotations

from pathlib import Path

from onestory_cli import schemas
from onestory_cli.commands._files import require_writable, write_result
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import OnestoryError


def install_schema(folder: Path, name: str = "story") -> Path:
    """Write the schema `name` into a folder, replacing that of another version, and return its path.

    Raises:
        OnestoryError: U605 if a file with its name is not a schema of onestory, U608 if it cannot be written.
    """
    file, schema = folder / f"{name}.v1.schema.json", schemas.text(f"{name}.v1").encode()
    if file.is_file() and file.stat().st_size == len(schema) and file.read_bytes() == schema:
        return file
    require_writable(file, f'"urn:onestory:{name}:v1"'.encode(), force=True)
    write_result(file, schema)
    return file


def install_for_editors(screen: Screen, story: Path) -> None:
    """Put the schema next to a new story. A schema that cannot be written is a note, as the story works without it."""
    try:
        install_schema(story.parent)
    except OnestoryError as fault:
        screen.note(f"editors will not find the schema of stories: {fault.message}")
