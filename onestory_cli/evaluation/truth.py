"""Which part of the storyworld is asked, and what can be seen of a shot's place: only that is taught and asked."""

from __future__ import annotations

from onestory_cli.models.catalog import ModelSpec
from onestory_cli.storyworld import vocabulary
from onestory_cli.storyworld.render import camera_for
from onestory_cli.storyworld.world import WorldConfig, WorldShot

SIDES: tuple[str, ...] = ("left", "centre", "right")

_SUN_Y = 0.8  # about where every place hangs its sun, moon, planet or window


def side(x: float) -> str:
    """The third of a wide shot, 0 .. 1 from the left."""
    return SIDES[min(int(x * 3), 2)]


def shows_accent(shot: WorldShot) -> bool:
    """Whether the middle of the accent object is in the frame."""
    camera = camera_for(shot)
    return abs(shot.place.accent_x - camera.x) < 0.5 / camera.zoom


def shows_sun(shot: WorldShot) -> bool:
    """Whether the middle of the sun (or moon, planet, window) is in the frame."""
    camera = camera_for(shot)
    half = 0.5 / camera.zoom
    return abs(shot.place.sun_x - camera.x) < half and camera.y + half > _SUN_Y


def world_of(spec: ModelSpec) -> WorldConfig:
    """The part of the storyworld whose words the model knows, at its size and length.

    Raises:
        ValueError: the model knows too few of them for a story.
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
    )
