"""The stage `cuts` of one video: its shots from the store, or detected and stored."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from onestory_cli.curation.cuts import FoundShots, find_shots
from onestory_cli.curation.recipe import CurateRecipe, CutSettings
from onestory_cli.curation.stage_store import ResultStore, stage_key
from onestory_cli.errors import OnestoryError

VERSION = 6  # of the stages `cuts` to `rewritten`; a new number recomputes every result


def cut_stage(path: Path, digest: str, recipe: CurateRecipe, store: ResultStore) -> FoundShots:
    """Return the shots of a video. `digest` is that of its bytes."""
    key = stage_key(VERSION, digest, asdict(recipe.cuts), recipe.max_hours)
    stored = store.get(key)
    if stored is None:
        stored = cut_video(path, recipe.cuts, recipe.max_hours)
        store.put(key, stored)
    return FoundShots.from_json(stored)


def cut_video(path: Path, settings: CutSettings, max_hours: float) -> dict[str, Any]:
    """Return the result of the stage `cuts` for a video; a damaged one has a fault instead of shots."""
    try:
        return find_shots(path, settings, max_hours=max_hours).as_json()
    except OnestoryError as error:
        if error.code != "M508":
            raise
        return FoundShots(facts=None, shots=(), fault=error.message).as_json()
