"""The part of the storyworld that a model was trained on."""

from __future__ import annotations

from onestory_cli.models.catalog import ModelSpec
from onestory_cli.storyworld import vocabulary
from onestory_cli.storyworld.world import WorldConfig


def world_of(spec: ModelSpec) -> WorldConfig:
    """The part of the storyworld that the model has words for, at its frame size and shot length.

    Raises:
        ValueError: the model has too few words for a story.
    """
    known = set(vocabulary.WORDS if spec.words is None else spec.words)
    settings = vocabulary.SETTINGS.items()
    return WorldConfig(
        species=tuple(name for name in vocabulary.SPECIES if name in known),
        colours=tuple(name for name in vocabulary.COLOURS if name in known),
        accessories=tuple(name for name in vocabulary.ACCESSORIES if name == "none" or name in known),
        settings=tuple(name for name, words in settings if known.issuperset(vocabulary.tokens(words.noun))),
        size=spec.width,
        frames=spec.frames,
        fps=spec.fps,
        version=2 if vocabulary.VERSION_2_WORD in known else 1,
        kites=vocabulary.KITE_WORD in known,
    )
