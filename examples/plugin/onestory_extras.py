"""A scheduler, an importer and a model for onestory, each in a few lines."""

from __future__ import annotations

from typing import Any

from onestory_cli.importers.draft import Draft
from onestory_cli.importers.formats import ImportFormat, by_suffix
from onestory_cli.importers.rows import ShotRow, draft_of_rows
from onestory_cli.importers.source import SourceFile
from onestory_cli.models.catalog import find
from onestory_cli.models.spec import ModelSpec


def linear(steps: int, shift: float, device: Any) -> Any:
    """Euler steps of equal length from noise to picture, whatever the shift of the model."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=[1 - step / steps for step in range(steps)], device=device)
    return scheduler


def _read_beats(source: SourceFile) -> Draft:
    """A line per shot; the first line is the title."""
    title, *lines = [line for line in source.text.content.splitlines() if line.strip()]
    rows = [ShotRow(text=line, where=f"beat {number}") for number, line in enumerate(lines, start=1)]
    return draft_of_rows(rows, source.report, title=title)


beats = ImportFormat(read=_read_beats, sign=by_suffix(".beats"))


def quick() -> ModelSpec:
    """The embedded model with four steps."""
    return find("storyworld").with_fields(name="storyworld-quick", steps=4)
