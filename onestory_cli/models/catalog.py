"""The catalogue: name -> base, adapter, strides, sizes, fps, licence. A new model is one row. No torch here."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.levels import LEVELS, Level

WEIGHTS = Path(__file__).parent / "weights"
POLICIES = ("adaptive", "coverage", "recent", "uniform", "last", "none")
SCHEDULERS = ("euler", "unipc")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """All that planning must know of a model without loading it.

    Sizes are in pixels, strides in pixels (or pixel frames) per latent cell (or latent frame); `frames` must be
    temporal_stride * k + 1. `shift` is the flow-matching time shift, `budget` is in latent frames of tokens.
    `words` is None for a model with an open vocabulary. `expand_timesteps`: the base takes one timestep per token
    (Wan 2.2 TI2V), so given first frames and context tokens are at time 0.
    """

    name: str
    base: str
    adapter: str
    licence: str
    about: str
    width: int
    height: int
    size_multiple: int
    fps: int
    frames: int
    max_frames: int
    temporal_stride: int = 4
    spatial_stride: int = 8
    latent_channels: int = 16
    steps: int
    guidance: float
    scheduler: str
    shift: float
    memory_frames: int
    budget: float
    policy: str = "adaptive"
    levels: tuple[Level, ...] = LEVELS
    expand_timesteps: bool = True
    scale: int = 1
    words: tuple[str, ...] | None = None
    negative: str = ""

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(latent height, latent width) of a picture in pixels."""
        return height // self.spatial_stride, width // self.spatial_stride

    def latent_frames(self, frames: int) -> int:
        """T of a clip of `frames` = 4k + 1 pixel frames."""
        return (frames - 1) // self.temporal_stride + 1

    def tokens_per_frame(self, width: int, height: int) -> int:
        """Noise tokens of one latent frame; the unit of a memory budget."""
        return self.levels[0].tokens(*self.latent_size(width, height))


CATALOG: dict[str, Path] = {"storyworld": WEIGHTS / "storyworld"}
CARD = "onestory.json"  # beside model_index.json in a model folder: the fields of its ModelSpec


def find(model: str, beside: Path | None = None) -> ModelSpec:
    """The spec of a catalogue name or of a model folder; a relative folder is looked up in `beside` first.

    Raises:
        OnestoryError: M501 for a name that nothing answers to, M502 for a folder that is no onestory model.
    """
    if model in CATALOG:
        return read_card(CATALOG[model], name=model)
    for folder in ((beside or Path()) / model, Path(model)):
        if folder.is_dir():
            return read_card(folder, name=model)
    near = difflib.get_close_matches(model, CATALOG, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    raise OnestoryError(
        "M501",
        f'no model "{model}" in the catalogue, and no such folder',
        help=f"{hint}`onestory models` lists the names; a folder must hold model_index.json and {CARD}",
    )


def read_card(folder: Path, *, name: str) -> ModelSpec:
    """The ModelSpec that a model folder's card states."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        fields = {**card, "name": name, "base": str(folder), "adapter": str(folder / "adapter")}
        fields["levels"] = tuple(Level(**row) for row in card.get("levels", [])) or LEVELS
        fields["words"] = tuple(card["words"]) if card.get("words") else None
        return ModelSpec(**fields)
    except FileNotFoundError as fault:
        raise OnestoryError(
            "M502",
            f'"{folder}" is not a onestory model folder: {CARD} is missing',
            help="name a folder that `onestory train` wrote, or a model of `onestory models`",
            exit=ExitCode.MACHINE,
        ) from fault
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise OnestoryError(
            "M502",
            f'"{folder / CARD}" cannot be used: {fault}',
            help="write it again with `onestory train`",
            exit=ExitCode.MACHINE,
        ) from fault
