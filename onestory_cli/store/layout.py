"""What lies where in a run directory, and what else may not."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.store.disk import pending_path
from onestory_cli.store.references import REFERENCES

STATE, STORY, EVENTS, LOCK, FILM = "run.json", "story.yaml", "events.jsonl", "lock", "film.mp4"
SIGNED = "film.signed.mp4"
SHOTS, INPUTS, STAGING = "shots", "inputs", ".staging-"
NAMES = {STATE, STORY, EVENTS, LOCK, FILM, SIGNED, SHOTS, INPUTS, REFERENCES}


def is_ours(name: str) -> bool:
    """Whether a run directory may hold this name: its own, one that waits to be renamed, or a staging folder."""
    return name in NAMES or name.startswith(STAGING) or name in {pending_path(Path(known)).name for known in NAMES}
