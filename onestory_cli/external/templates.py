"""Workflows for well-known models, which are part of the package. They have not been run with the models' weights."""

from __future__ import annotations

from importlib.resources import files

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten

_FOLDER = files("onestory_cli.external") / "templates"
SUFFIX = ".json"


def template_names() -> list[str]:
    """The names of all templates."""
    return sorted(item.name.removesuffix(SUFFIX) for item in _FOLDER.iterdir() if item.name.endswith(SUFFIX))


def read_template(name: str) -> str:
    """The text of a template: a workflow in API format with its card.

    Raises:
        OnestoryError: M551 for an unknown name.
    """
    if name not in (names := template_names()):
        help = did_you_mean(name, names) or f"the templates are {', '.join(names)}"
        raise OnestoryError("M551", f'no template is called "{shorten(name)}"', help=help, exit=ExitCode.USAGE)
    return (_FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8")
