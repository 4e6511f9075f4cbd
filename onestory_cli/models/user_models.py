"""The models of this user: named rows of `models.yaml` in the configuration folder. No torch here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.untrusted import read_yaml

FILE_VARIABLE = "ONESTORY_MODELS"  # another path of the file, for machines without a home folder


def user_models_file() -> Path:
    """Where the named models of this user are stored."""
    if path := os.environ.get(FILE_VARIABLE):
        return Path(path)
    from typer import get_app_dir  # the command line has loaded it; the Python API loads it only here

    return Path(get_app_dir("onestory")) / "models.yaml"


def read_user_models() -> dict[str, dict[str, Any]]:
    """The sources of external models by name; {} without a file.

    Raises:
        OnestoryError: M551 if the file is not a map of names.
    """
    path = user_models_file()
    if not path.exists():
        return {}
    try:
        rows = read_yaml(path) or {}
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            raise ValueError("it is not a map of names to models")
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or str(fault)
        help = "write `NAME: {workflow: FILE, server: URL}` for each model"
        raise OnestoryError("M551", f'"{path}" cannot be used: {why}', help=help, exit=ExitCode.MACHINE) from fault
    return {str(name): row for name, row in rows.items()}
