"""Shell completion of shot ids and profile names, from the story or run that the command line already names.

Completion never fails: if the file cannot be read, nothing is offered. A story with errors is read too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from onestory_cli.errors import OnestoryError


def story_shots(context: typer.Context) -> list[str]:
    """The shots of the story FILE."""
    return [str(shot["id"]) for shot in _story(context).get("shots", []) if "id" in shot]


def story_profiles(context: typer.Context) -> list[str]:
    """The profiles of the story FILE."""
    return [*_story(context).get("profiles", {})]


def run_shots(context: typer.Context) -> list[str]:
    """The shots with a take of the run DIR, or of the run in the current folder."""
    from onestory_cli.store.locate import find_run

    try:
        return [*find_run(_named(context, "folder")).accepted()]
    except (OnestoryError, OSError):
        return []


def _story(context: typer.Context) -> dict[str, Any]:
    from onestory_cli.story.load import read_bytes
    from onestory_cli.story.schema import check
    from onestory_cli.story.source import parse

    file = _named(context, "file")
    try:
        return (check(parse(read_bytes(file), str(file))).value or {}) if file else {}
    except (OnestoryError, OSError):
        return {}


def _named(context: typer.Context, parameter: str) -> Path | None:
    """The value of an argument. After an option without its value, click leaves it among the remaining words."""
    given = context.params.get(parameter) or next(iter(context.args), None)
    return Path(given) if given else None
