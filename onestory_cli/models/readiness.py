"""Check before loading that a model's weights are on this machine and its licence was accepted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec

ACCEPT = "ONESTORY_ACCEPT_LICENCES"  # model names, separated by commas; for unattended machines


def licence_file() -> Path:
    """Where the licences that this user accepted are stored."""
    from typer import get_app_dir  # the command line has loaded it; the Python API loads it only here

    return Path(get_app_dir("onestory")) / "licences.json"


def require_ready(spec: ModelSpec) -> None:
    """Refuse a model that cannot be used now.

    Raises:
        OnestoryError: M509, M503 or M511 for its weights, M512 for a licence that the user has not accepted.
    """
    from onestory_cli.models.availability import require_weights

    require_weights(spec)
    if must_accept(spec):
        name = licensed_name(spec)
        raise OnestoryError(
            "M512",
            f'"{name}" has a licence that may restrict use or territory: {spec.licence}',
            help=f"read it{_where(spec)}; then run `onestory models accept {name}`, "
            f"or set {ACCEPT}={name} on unattended machines",
            exit=ExitCode.MACHINE,
        )


def must_accept(spec: ModelSpec) -> bool:
    """Whether the user still has to accept the licence of a model."""
    from onestory_cli.models.licences import accepted, needs_acceptance

    if not needs_acceptance(spec.licence, fetched=bool(spec.files.hub)):
        return False
    name = licensed_name(spec)
    named = {item.strip() for item in os.environ.get(ACCEPT, "").split(",")}
    return name not in named and accepted(licence_file()).get(name) != spec.licence


def licensed_name(spec: ModelSpec) -> str:
    """The name that a licence is accepted for: the repository, or what `model:` names.

    The licence of M2V is that of its LoRA, not that of the base.
    """
    return spec.files.hub if spec.files.hub and spec.task != "m2v" else spec.name


def _where(spec: ModelSpec) -> str:
    if spec.task == "m2v":
        return ""
    if spec.files.hub:
        return f" on https://huggingface.co/{spec.files.hub}"
    return f" in {Path(spec.files.base) / 'README.md'}"
