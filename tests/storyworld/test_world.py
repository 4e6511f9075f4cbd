"""Names are checked where they enter."""

from __future__ import annotations

from typing import Any

import pytest

from onestory_cli.storyworld import Actor, CharacterLook, WorldConfig, WorldPlace, make_story


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("species", ("fox", "zebra")),
        ("colours", ("red", "teal")),
        ("accessories", ("none", "cape")),
        ("settings", ("beach", "opera")),
        ("species", ()),
        ("species", ("fox", "fox")),
        ("size", 0),
        ("frames", 0),
        ("fps", 0),
    ],
)
def test_config_refuses(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        WorldConfig(**{field: value})


def test_config_refuses_accessories_without_a_second_colour() -> None:
    with pytest.raises(ValueError, match="second colour"):
        WorldConfig(colours=("red",))


def test_look_refuses_inconsistent_accessories() -> None:
    with pytest.raises(ValueError, match="accessory_colour"):
        CharacterLook(species="fox", colour="red", accessory="hat")
    with pytest.raises(ValueError, match="accessory_colour"):
        CharacterLook(species="fox", colour="red", accessory_colour="blue")
    with pytest.raises(ValueError, match="zebra"):
        CharacterLook(species="zebra", colour="red")


def test_actor_and_place_refuse_unknown_names() -> None:
    look = CharacterLook(species="fox", colour="red")
    with pytest.raises(ValueError, match="action"):
        Actor(look=look, action="sings", x=0.5, facing=1)
    with pytest.raises(ValueError, match="facing"):
        Actor(look=look, action="waves", x=0.5, facing=0)
    with pytest.raises(ValueError, match="setting"):
        WorldPlace(setting="opera", accent_colour="red", accent_x=0.5, sun_x=0.5, layout_seed=0)


def test_restricted_config_restricts_stories() -> None:
    config = WorldConfig(
        species=("robot", "frog"), colours=("red", "blue"), accessories=("hat",), settings=("moon", "forest")
    )
    for seed in range(20):
        for shot in make_story(seed, config).shots:
            assert shot.place.setting in config.settings
            for actor in shot.actors:
                assert actor.look.species in config.species
                assert {actor.look.colour, actor.look.accessory_colour} == {"red", "blue"}
                assert actor.look.accessory == "hat"
