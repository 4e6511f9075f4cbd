"""Names of the files and folders in a run directory."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.store.keys import SHORT
from onestory_cli.utils.atomic import pending_path

STATE, STORY, EVENTS, LOCK, FILM = "run.json", "story.yaml", "events.jsonl", "lock", "film.mp4"
SIGNED = "film.signed.mp4"
NOTES = "notes.json"
ORIGINAL = "original"  # stem of what an external model delivered, as it was: original.mp4
SHOTS, INPUTS, REFERENCES, STAGING = "shots", "inputs", "references", ".staging-"
SET_ASIDE = ".damaged-"  # prefix of a damaged take in the folder of its shot
CLIP, LATENTS, RECORD, PARTIAL = "clip.mp4", "latents.safetensors", "record.json", "partial.safetensors"
NAMES = {STATE, STORY, EVENTS, LOCK, FILM, SIGNED, NOTES, SHOTS, INPUTS, REFERENCES}


def is_ours(name: str) -> bool:
    """Whether onestory writes this name at the top of a run directory."""
    return name in NAMES or name.startswith(STAGING) or name in {pending_path(Path(known)).name for known in NAMES}


def take_folder(run: Path, shot: str, key: str) -> Path:
    """The folder of the take with this key. A partial of the take is saved in it too."""
    return run / SHOTS / shot / key[:SHORT]
