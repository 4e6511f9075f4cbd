"""What a camera leaves of a place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestory_cli.storyworld import WorldPlace
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.visibility import accent_mask, kite_mask, shows_accent, shows_sun, side
from onestory_cli.storyworld.vocabulary import SETTINGS
from onestory_cli.storyworld.world import Actor, CharacterLook, WorldConfig, WorldShot

PLACE = WorldPlace(setting="beach", accent_colour="red", accent_x=0.2, sun_x=0.2, layout_seed=1)
LONELY = WorldShot(
    place=PLACE,
    actors=(),
    framing="wide shot",
    ground=0.1,
    caption="",
    full_caption="",
    names_look=(),
    names_place="full",
)
FOX = Actor(look=CharacterLook(species="fox", colour="red"), action="stands", x=0.2, facing=1)


@pytest.mark.parametrize(
    ("x", "third"), [(0.0, "left"), (0.33, "left"), (0.34, "centre"), (0.67, "right"), (1.0, "right")]
)
def test_sides_are_thirds(x: float, third: str) -> None:
    assert side(x) == third


def test_a_wide_shot_shows_the_whole_place() -> None:
    assert all(shows_accent(replace(LONELY, place=replace(PLACE, accent_x=x))) for x in (0.02, 0.5, 0.98))
    assert shows_sun(LONELY)


def test_a_close_up_shows_what_is_next_to_the_actor_and_no_sky() -> None:
    close = replace(LONELY, actors=(FOX,), names_look=(True,), framing="close-up")
    assert shows_accent(close)
    assert not shows_accent(replace(close, place=replace(PLACE, accent_x=0.8)))
    assert not shows_sun(replace(close, place=replace(PLACE, sun_x=0.8)))


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_mask_of_an_accent_is_at_its_position(setting: str) -> None:
    mask = accent_mask(replace(LONELY, place=replace(PLACE, setting=setting)), 64)
    assert mask.shape == (64, 64)
    columns = mask.any(0).nonzero()[0]
    assert 0 <= columns.min() < 0.2 * 64 < columns.max() < 32
    assert 0.01 < mask.mean() < 0.2


def test_an_accent_out_of_the_frame_has_no_mask() -> None:
    close = replace(LONELY, actors=(FOX,), names_look=(True,), framing="close-up", place=replace(PLACE, accent_x=0.9))
    assert not accent_mask(close, 64).any()


def test_the_mask_of_a_kite_is_where_its_colour_shows() -> None:
    assert not kite_mask(LONELY, 64).any()
    config = WorldConfig(version=2, size=64, frames=1)
    flown = replace(LONELY, actors=(replace(FOX, action="flies a kite"),), names_look=(True,), kite="red")
    for shot in (flown, replace(LONELY, kite="red")):
        red, green = (
            render_shot(replace(shot, kite=colour), config).pixels_THWC.astype(int) for colour in ("red", "green")
        )
        changed = np.abs(red - green)[0].max(-1) > 100
        mask = kite_mask(shot, 64)
        assert changed.sum() > 30
        assert mask[changed].all()
        assert mask.mean() < 0.06
