"""The read-out: pixels of a storyworld clip -> characters, looks and place.

Shape letters: B clips, P pixel frames, R read frames, S species, H W C pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.evaluation.embeddings import Reading, View, views
from onestory_cli.evaluation.network import PLACES, SIDE, ReadoutNetwork
from onestory_cli.storyworld import vocabulary
from onestory_cli.storyworld.visibility import SIDES
from onestory_cli.storyworld.world import CharacterLook

WEIGHTS = Path(__file__).parent / "weights" / "readout"
READ_FRAMES = 5  # of a clip, spread evenly; their logits are averaged
COLOURS = tuple(vocabulary.COLOURS)
PLACE_NAMES: dict[str, tuple[str, ...]] = {
    "setting": tuple(vocabulary.SETTINGS),
    "accent_colour": COLOURS,
    "accent_side": SIDES,
    "sun_side": SIDES,
}


@dataclass(frozen=True, kw_only=True)
class Readout:
    """A trained network. `accuracy`: kind of frames -> attribute -> share of correct answers on true films.

    With `count_eyes` (frames (N, H, W, 3) -> number of eyes in each), views have them too.
    """

    network: ReadoutNetwork
    accuracy: Mapping[str, Mapping[str, float]]
    count_eyes: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None

    def read(self, pixels_BPHWC: NDArray[np.uint8], *, batch: int = 32) -> list[Reading]:
        """One reading per clip; see `view`."""
        return [view.reading for view in self.view(pixels_BPHWC, batch=batch)]

    @torch.inference_mode()
    def view(self, pixels_BPHWC: NDArray[np.uint8], *, batch: int = 32) -> list[View]:
        """One view per clip. Frames can be squares of any size; they are resampled to 64 pixels."""
        seen: list[View] = []
        for start in range(0, len(pixels_BPHWC), batch):
            clips = pixels_BPHWC[start : start + batch]
            chosen = np.linspace(0, clips.shape[1] - 1, min(READ_FRAMES, clips.shape[1])).round().astype(int)
            read_BRHWC = clips[:, chosen]
            pooled = self.network.look(to_network(read_BRHWC.reshape(-1, *clips.shape[2:])))
            logits = {
                name: value.float().unflatten(0, (len(clips), len(chosen))).mean(1)
                for name, value in self.network.name(pooled).items()
            }
            eyes_N = self.count_eyes(read_BRHWC.reshape(-1, *clips.shape[2:])) if self.count_eyes else None
            seen += views(_readings(logits), pooled, read_BRHWC, eyes_N)
        return seen

    def save(self, folder: Path) -> None:
        """Write the weights in fp16, and their accuracy."""
        folder.mkdir(parents=True, exist_ok=True)
        save_halves(self.network, folder / "readout.safetensors")
        card = {"schema": "onestory.readout.v1", "vocabulary": _vocabulary(), "accuracy": self.accuracy}
        (folder / "readout.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def load_readout(folder: Path = WEIGHTS) -> Readout:
    """Load a read-out written by `Readout.save`.

    Raises:
        ValueError: the read-out was trained on the vocabulary of another version.
    """
    card = json.loads((folder / "readout.json").read_text(encoding="utf-8"))
    if card["vocabulary"] != _vocabulary():
        raise ValueError(f"{folder}: the read-out was trained on another vocabulary; retrain it")
    network = ReadoutNetwork()
    network.load_state_dict(load_file(folder / "readout.safetensors"))
    return Readout(network=network.eval().requires_grad_(False), accuracy=card["accuracy"])


def save_halves(network: nn.Module, path: Path) -> None:
    """Write the weights in fp16; `load_state_dict` converts them back."""
    state = network.state_dict()
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file({name: value.contiguous() for name, value in halves.items()}, path)


def to_network(
    frames_BHWC: NDArray[np.uint8], *, side: int = SIDE, mode: str = "area", antialias: bool = False
) -> Tensor:
    """uint8 frames -> (B, C, H, W) in -1..1, resampled to `side` x `side` pixels."""
    frames = torch.from_numpy(np.ascontiguousarray(frames_BHWC)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    if frames.shape[-2:] != (side, side):
        frames = functional.interpolate(frames, (side, side), mode=mode, antialias=antialias)
    return frames.contiguous(memory_format=torch.channels_last)


def _readings(logits: Mapping[str, Tensor]) -> list[Reading]:
    present = torch.sigmoid(logits["species"][..., 0]).tolist()
    looks = [logits[name].argmax(-1).tolist() for name in ("colour", "accessory", "accessory_colour")]
    places = {name: logits[name].argmax(-1).tolist() for name in PLACES}
    return [
        Reading(
            present=dict(zip(vocabulary.SPECIES, present[clip], strict=True)),
            looks=_looks(*(values[clip] for values in looks)),
            **{name: PLACE_NAMES[name][values[clip]] for name, values in places.items()},
        )
        for clip in range(len(present))
    ]


def _looks(colours: Sequence[int], accessories: Sequence[int], wears: Sequence[int]) -> dict[str, CharacterLook]:
    return {
        species: _look(species, COLOURS[colour], vocabulary.ACCESSORIES[accessory], COLOURS[wear])
        for species, colour, accessory, wear in zip(vocabulary.SPECIES, colours, accessories, wears, strict=True)
    }


def _look(species: str, colour: str, accessory: str, wear: str) -> CharacterLook:
    bare = accessory == "none"
    return CharacterLook(species=species, colour=colour, accessory=accessory, accessory_colour="" if bare else wear)


def _vocabulary() -> dict[str, list[str]]:
    places = {name: list(values) for name, values in PLACE_NAMES.items()}
    return {"species": list(vocabulary.SPECIES), "accessory": list(vocabulary.ACCESSORIES), **places}
