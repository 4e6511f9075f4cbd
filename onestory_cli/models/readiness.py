"""Before a model is loaded: its weights are here, and a licence that binds its users was accepted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec

ACCEPT = "ONESTORY_ACCEPT_LICENCES"  # names, separated by commas; for machines without a person


def licence_file() -> Path:
    """Where this user's accepted licences are kept."""
    return Path(typer.get_app_dir("onestory")) / "licences.json"


def require_ready(spec: ModelSpec) -> None:
    """Refuse a model that cannot be used here and now.

    Raises:
        OnestoryError: M509, M503 or M511 for its weights, M512 for a licence that nobody here has accepted.
    """
    from onestory_cli.models.availability import require_weights

    require_weights(spec)
    if must_accept(spec):
        name = licensed_name(spec)
        raise OnestoryError(
            "M512",
            f'"{name}" has a licence that may restrict use or territory: {spec.licence}',
            help=f"read it{_where(spec)}; then `onestory models accept {name}`, "
            f"or {ACCEPT}={name} where nobody can be asked",
            exit=ExitCode.MACHINE,
        )


def must_accept(spec: ModelSpec) -> bool:
    """Whether the licence of a model binds its users and was not accepted yet."""
    from onestory_cli.models.licences import accepted, needs_acceptance

    if not needs_acceptance(spec.licence, fetched=bool(spec.hub)):
        return False
    name = licensed_name(spec)
    told = {item.strip() for item in os.environ.get(ACCEPT, "").split(",")}
    return name not in told and accepted(licence_file()).get(name) != spec.licence


def licensed_name(spec: ModelSpec) -> str:
    """What a licence is accepted for: the repository, or what `model:` named."""
    return spec.hub or spec.name


def _where(spec: ModelSpec) -> str:
    return f" on https://huggingface.co/{spec.hub}" if spec.hub else f" in {Path(spec.base) / 'README.md'}"
