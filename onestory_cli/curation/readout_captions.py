"""Captions of the storyworld by its own read-out: the whole line runs here without another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from onestory_cli.curation.captioners import Pixels, ShotView
from onestory_cli.curation.network_identity import action_identity
from onestory_cli.storyworld.captions import action_clause
from onestory_cli.storyworld.vocabulary import FRAMINGS, SETTINGS, SPECIES, article, tokens
from onestory_cli.storyworld.world import CharacterLook

if TYPE_CHECKING:
    from onestory_cli.evaluation.actions import ActionNetwork
    from onestory_cli.evaluation.embeddings import Reading
    from onestory_cli.evaluation.readout import Readout

PRESENT = 0.5  # probability from which a species counts as seen
MAX_CHARACTERS = 3


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the networks read in a shot: the looks in it, the surest first, their actions, and where it is."""

    looks: Sequence[CharacterLook]
    actions: Sequence[str]
    framing: str
    setting: str


@dataclass(frozen=True, kw_only=True)
class ReadoutCaptioner:
    """Names framing, species, colours, accessories, actions and settings, as captions of the storyworld do."""

    identity: str = field(default_factory=action_identity)
    needs_frames: bool = True

    @cached_property
    def networks(self) -> tuple[Readout, ActionNetwork]:
        """The networks; loaded when they are first needed, because a second run needs none."""
        from onestory_cli.evaluation.actions import load_action_network
        from onestory_cli.evaluation.readout import load_readout

        return load_readout(), load_action_network()

    def see(self, frames: Sequence[Pixels]) -> Seen:
        """Read the frames (H, W, 3) of a shot."""
        readout, network = self.networks
        pixels = np.stack(frames)
        (reading,) = readout.read(pixels[None])
        looks = seen_in(reading)
        read = network.read(readout.network, pixels)
        return Seen(
            looks=looks,
            actions=[read.actions[look.species] for look in looks],
            framing=read.framings[looks[0].species] if looks else FRAMINGS[0],
            setting=reading.setting,
        )

    def caption(self, view: ShotView) -> str:
        seen = self.see(view.frames)
        return sentence(seen, [look.words() for look in seen.looks], article(SETTINGS[seen.setting].noun))

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        seen = self.see(view.frames)
        known = {word for text in earlier for word in tokens(text)}
        names = [look.words() if look.species not in known else f"the same {look.species}" for look in seen.looks]
        noun = SETTINGS[seen.setting].noun
        return sentence(seen, names, f"the same {noun}" if {*tokens(noun)} <= known else article(noun))


def seen_in(reading: Reading) -> list[CharacterLook]:
    """Return the looks of the species that the read-out is sure of, the surest first."""
    sure = sorted(
        (name for name in SPECIES if reading.present.get(name, 0) >= PRESENT), key=lambda n: -reading.present[n]
    )
    return [reading.looks[name] for name in sure[:MAX_CHARACTERS]]


def sentence(seen: Seen, names: Sequence[str], place: str) -> str:
    """Return a caption such as "Wide shot. A red fox with a blue scarf walks left on a beach."."""
    clause = action_clause(names, seen.actions, the_kite=article("kite"))
    where = f"{clause} {SETTINGS[seen.setting].preposition} {place}" if names else place
    return f"{_capital(seen.framing)}. {_capital(where)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
