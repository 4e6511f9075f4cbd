"""Captions of the storyworld by its own read-out: the whole line runs here without another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from onestory_cli.curation.captioners import ShotView
from onestory_cli.curation.network_identity import readout_identity
from onestory_cli.storyworld.vocabulary import SETTINGS, SPECIES, article, tokens
from onestory_cli.storyworld.world import CharacterLook

if TYPE_CHECKING:
    from onestory_cli.evaluation.embeddings import Reading
    from onestory_cli.evaluation.readout import Readout

PRESENT = 0.5  # probability from which a species counts as seen
MAX_CHARACTERS = 3


@dataclass(frozen=True, kw_only=True)
class ReadoutCaptioner:
    """Names species, colours, accessories and settings; says nothing about actions, which the read-out cannot see."""

    identity: str = field(default_factory=readout_identity)
    needs_frames: bool = True

    @cached_property
    def readout(self) -> Readout:
        """The network; loaded when it is first needed, because a second run needs none."""
        from onestory_cli.evaluation.readout import load_readout

        return load_readout()

    def caption(self, view: ShotView) -> str:
        (reading,) = self.readout.read(np.stack(view.frames)[None])
        return describe(seen_in(reading), reading.setting)

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        (reading,) = self.readout.read(np.stack(view.frames)[None])
        known = {word for text in earlier for word in tokens(text)}
        looks = [look.words() if look.species not in known else f"the same {look.species}" for look in seen_in(reading)]
        noun = SETTINGS[reading.setting].noun
        place = f"the same {noun}" if {*tokens(noun)} <= known else article(noun)
        return sentence(looks, f"{SETTINGS[reading.setting].preposition} {place}", place)


def seen_in(reading: Reading) -> list[CharacterLook]:
    """Return the looks of the species that the read-out is sure of, the surest first."""
    sure = sorted(
        (name for name in SPECIES if reading.present.get(name, 0) >= PRESENT), key=lambda n: -reading.present[n]
    )
    return [reading.looks[name] for name in sure[:MAX_CHARACTERS]]


def describe(looks: Sequence[CharacterLook], setting: str) -> str:
    """Return the caption of a shot on its own, such as "A red fox with a blue scarf on a beach."."""
    words = SETTINGS[setting]
    return sentence([look.words() for look in looks], f"{words.preposition} {article(words.noun)}", article(words.noun))


def sentence(looks: Sequence[str], where: str, place: str) -> str:
    """Return one sentence about who is where; about the place alone if there is no character."""
    text = f"{' and '.join(looks)} {where}." if looks else f"{place}."
    return text[0].upper() + text[1:]
