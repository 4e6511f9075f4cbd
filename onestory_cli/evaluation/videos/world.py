"""Measure a film of the storyworld with the read-out in the package; no other network is needed.

The read-out's queries pool a soft crop of each species from a frame, so it finds and embeds in one pass. Its accuracy
is in `embeddings.py`. It identifies characters by species, so two of one species in a shot are left out.
Shape letters: P frames, D width of an embedding, H W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.readout import WEIGHTS, Readout, load_readout
from onestory_cli.evaluation.videos.expected import marks_of
from onestory_cli.evaluation.videos.films import Clip, MeasuredFilm
from onestory_cli.evaluation.videos.frames import spread
from onestory_cli.evaluation.videos.likeness import consistency, mean_direction
from onestory_cli.evaluation.videos.measure import FRAMES, Sight
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.store.inputs import model_of_run
from onestory_cli.store.run import Run
from onestory_cli.storyworld.vocabulary import SPECIES, tokens
from onestory_cli.utils.text import shell_quote


@dataclass(frozen=True, kw_only=True)
class ReadoutReader:
    """The read-out as detector and embedder."""

    readout: Readout

    def provenance(self) -> dict[str, dict[str, str | None] | None]:
        """The weights in use."""
        weights = fingerprint(str(WEIGHTS))
        return {"readout": {"source": "readout", "kind": "readout", "commit": None, "fingerprint": weights}}

    def look(self, clip: Clip, film: MeasuredFilm, pixels_PHW3: np.ndarray) -> Sight:
        """Read `FRAMES` frames, each on its own."""
        frames_PHW3 = pixels_PHW3[spread(len(pixels_PHW3), FRAMES)]
        views = self.readout.view(frames_PHW3[:, None])
        species = species_of([film.looks[name] for name in clip.characters])
        crops = {
            name: [torch.from_numpy(view.characters[kind]) for view in views if kind in view.characters]
            for name, kind in zip(clip.characters, species, strict=True)
        }
        ground_PD = torch.from_numpy(np.stack([view.place for view in views]))
        return Sight(
            background=consistency(ground_PD),
            found={name: len(items) for name, items in crops.items()},
            characters={name: mean_direction(torch.stack(items)) if items else None for name, items in crops.items()},
            ground=mean_direction(ground_PD),
            sought=True,
            right=self._right(clip, film, frames_PHW3, species),
        )

    def _right(
        self, clip: Clip, film: MeasuredFilm, frames_PHW3: np.ndarray, species: Sequence[str]
    ) -> dict[str, dict[str, bool]]:
        """Per character and setting that the caption names, which attributes the clip shows as described.

        The read-out has one answer per species: two characters of one species in a shot are left out.
        """
        (reading,) = self.readout.read(frames_PHW3[None])
        named = zip(clip.characters, species, strict=True)
        right = {name: marks_of(reading, look=film.looks[name]) for name, kind in named if kind}
        right |= {name: marks_of(reading, setting=film.places.get(name, "")) for name in clip.settings}
        return {name: marks for name, marks in right.items() if marks}


def species_of(looks: Sequence[str]) -> list[str]:
    """The species that each look names; "" for none, several, or one that another look names, too."""
    named = [[word for word in tokens(look) if word in SPECIES] for look in looks]
    known = [words[0] if len(words) == 1 else "" for words in named]
    return [kind if known.count(kind) == 1 else "" for kind in known]


def load_readout_reader(folder: Path) -> ReadoutReader:
    """Load the read-out for the film of a run directory.

    Raises:
        OnestoryError: T634 unless a model of the storyworld made it; M502 when the model's folder is gone.
    """
    run = Run.open(folder)
    state = run.state()
    if state is None or model_of_run(state.model).words is None:
        raise OnestoryError(
            "T634",
            f'"{folder}" is no film of the storyworld, and the read-out knows no other world',
            help=f"other networks look at any film: `onestory evaluate {shell_quote(folder)} --out scores.json`",
            exit=ExitCode.USAGE,
        )
    return ReadoutReader(readout=load_readout())
