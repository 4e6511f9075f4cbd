"""Read the chapters of a film."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.media.mux import Chapter
from onestory_cli.media.video import open_video


def read_chapters(path: Path) -> tuple[Chapter, ...]:
    """The chapters of a film, in order."""
    with open_video(path) as film:
        return tuple(
            Chapter(
                title=chapter["metadata"].get("title", ""),
                start=float(chapter["start"] * (chapter["time_base"] or 0)),
                end=float(chapter["end"] * (chapter["time_base"] or 0)),
            )
            for chapter in film.chapters()
        )
