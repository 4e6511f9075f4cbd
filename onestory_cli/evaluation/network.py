"""The network of the read-out: it predicts every attribute of a storyworld frame.

Shape letters: B frames, S species, A attributes of a species, G details of a place, N cells, C channels, D width, H W.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.storyworld import vocabulary
from onestory_cli.storyworld.visibility import SIDES

LOOKS: dict[str, int] = {
    "species": 1,  # one logit: present or not
    "colour": len(vocabulary.COLOURS),
    "accessory": len(vocabulary.ACCESSORIES),
    "accessory_colour": len(vocabulary.COLOURS),
}
PLACES: dict[str, int] = {
    "setting": len(vocabulary.SETTINGS),
    "accent_colour": len(vocabulary.COLOURS),
    "accent_side": len(SIDES),
    "sun_side": len(SIDES),
}
SIDE = 64  # pixels; other sizes are resampled
CELLS = SIDE // 4
HEADS = 4


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Pooled features of each frame, before classification: looks, details of the place, and the mean token."""

    looks_BSAD: Tensor
    places_BGD: Tensor
    frame_BD: Tensor


class Residual(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, cells_BCHW: Tensor) -> Tensor:
        return functional.relu(cells_BCHW + self.body(cells_BCHW))


class ReadoutNetwork(nn.Module):
    """A small convolutional network with attention pooling: one query per species and attribute.

    Every attribute has its own query, so that the colour of a hat is read where the hat is. The features of the species
    are added to the queries of its attributes, so that with two characters they select the right hat. All species share
    the heads.
    """

    def __init__(self, width: int = 64, deep: int = 128) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.PixelUnshuffle(2),
            _convolution(12, 32),
            nn.ReLU(),
            _convolution(32, width, stride=2),
            nn.ReLU(),
            Residual(width),
        )
        self.coarse = nn.Sequential(_convolution(width, deep, stride=2), nn.ReLU(), Residual(deep))
        self.lift = nn.Conv2d(deep, width, 1)
        self.paint = nn.PixelUnshuffle(4)  # the cell's own pixels, to read colours from
        self.tokens = nn.Conv2d(width + 48, deep, 1)
        self.position = nn.Parameter(torch.randn(deep, CELLS, CELLS) * 0.02)
        self.keys = nn.Linear(deep, deep)
        self.look_queries = nn.Parameter(torch.randn(len(vocabulary.SPECIES), len(LOOKS), deep) * 0.2)
        self.found = nn.Linear(deep, deep, bias=False)
        self.place_queries = nn.Parameter(torch.randn(len(PLACES), deep) * 0.2)
        self.species = nn.Parameter(torch.randn(len(vocabulary.SPECIES), deep) * 0.2)
        self.look_heads = nn.ModuleDict({name: _head(deep, count) for name, count in LOOKS.items()})
        self.place_heads = nn.ModuleDict({name: _head(deep, count) for name, count in PLACES.items()})

    def forward(self, frames_BCHW: Tensor) -> dict[str, Tensor]:
        """RGB in -1..1 -> logits: (B, S, values) for the names of `LOOKS`, (B, values) for those of `PLACES`."""
        return self.name(self.look(frames_BCHW))

    def look(self, frames_BCHW: Tensor) -> Pooled:
        """RGB in -1..1 -> pooled features of every query. Features of absent species are meaningless."""
        tokens_BND = self._tokens(frames_BCHW)
        _, species_BSD, queries_BSAD = self._look_queries(tokens_BND)
        places_BGD = self.place_queries.expand(len(tokens_BND), -1, -1)
        pooled_BQD = self._pool(tokens_BND, torch.cat([queries_BSAD.flatten(1, 2), places_BGD], dim=1))
        looks_BQD, places_BGD = pooled_BQD.split([queries_BSAD[0, :, :, 0].numel(), len(PLACES)], dim=1)
        looks_BSAD = torch.cat([species_BSD[:, :, None], looks_BQD.unflatten(1, queries_BSAD.shape[1:3])], dim=2)
        return Pooled(looks_BSAD=looks_BSAD, places_BGD=places_BGD, frame_BD=tokens_BND.mean(1))

    def attend(self, frames_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """RGB in -1..1 -> where each look query looks (B, S, A, N), and the pooled features of each species (B, S, D).

        The weights are means over the heads; they sum to 1 over the cells.
        """
        tokens_BND = self._tokens(frames_BCHW)
        presence_BSD, species_BSD, later_BSAD = self._look_queries(tokens_BND)
        queries_BSAD = torch.cat([presence_BSD[:, :, None], later_BSAD], dim=2)
        weights_BHQN = self._weights(tokens_BND, queries_BSAD.flatten(1, 2))
        return weights_BHQN.mean(1).unflatten(1, queries_BSAD.shape[1:3]), species_BSD

    def name(self, pooled: Pooled) -> dict[str, Tensor]:
        """Logits of pooled features, as `forward` returns them."""
        logits = {
            name: head(pooled.looks_BSAD[:, :, index] + self.species)
            for index, (name, head) in enumerate(self.look_heads.items())
        }
        return logits | {
            name: head(pooled.places_BGD[:, index]) for index, (name, head) in enumerate(self.place_heads.items())
        }

    def _tokens(self, frames_BCHW: Tensor) -> Tensor:
        fine_BCHW = self.fine(frames_BCHW)
        coarse_BCHW = functional.interpolate(self.lift(self.coarse(fine_BCHW)), scale_factor=2.0)
        cells_BCHW = torch.cat([functional.relu(fine_BCHW + coarse_BCHW), self.paint(frames_BCHW)], dim=1)
        return (self.tokens(cells_BCHW) + self.position).flatten(2).transpose(1, 2)

    def _look_queries(self, tokens_BND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of presence (B, S, D), the features that they pool (B, S, D), and queries of the other looks."""
        presence_BSD = self.look_queries[:, 0].expand(len(tokens_BND), -1, -1)
        species_BSD = self._pool(tokens_BND, presence_BSD)
        return presence_BSD, species_BSD, self.look_queries[:, 1:] + self.found(species_BSD)[:, :, None]

    def _pool(self, tokens_BND: Tensor, queries_BQD: Tensor) -> Tensor:
        values_BNHW = tokens_BND.unflatten(-1, (HEADS, -1))
        return torch.einsum("bhqn,bnhw->bqhw", self._weights(tokens_BND, queries_BQD), values_BNHW).flatten(2)

    def _weights(self, tokens_BND: Tensor, queries_BQD: Tensor) -> Tensor:
        """Attention (B, heads, Q, N) without a query projection: the queries are parameters already."""
        keys, queries = (item.unflatten(-1, (HEADS, -1)) for item in (self.keys(tokens_BND), queries_BQD))
        return torch.einsum("bqhw,bnhw->bhqn", queries, keys).softmax(-1)


def _convolution(given: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width))


def _head(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, count))
