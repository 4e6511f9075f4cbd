"""Fingerprints of the networks that stages use; part of the keys of their results. No torch here."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.hub import cached_snapshot, is_repo
from onestory_cli.utils.untrusted import file_sha256

_WEIGHTS = Path(__file__).parents[1] / "evaluation" / "weights"


def network_identity(name: str) -> str:
    """Return the name of a folder or hub id with the fingerprint of its weights; "" instead of one not downloaded."""
    folder = Path(name) if Path(name).is_dir() or not is_repo(name) else cached_snapshot(name)
    return f"{name} {fingerprint(str(folder)) if folder and folder.is_dir() else ''}"


def readout_identity() -> str:
    """Return the name and the fingerprint of the storyworld's read-out."""
    return f"readout {fingerprint(str(_WEIGHTS / 'readout'))}"


def action_identity() -> str:
    """Return the name and the fingerprint of the read-out with the network that reads actions."""
    return f"{readout_identity()} actions {file_sha256(_WEIGHTS / 'actions.safetensors')[0].hex()[:16]}"
