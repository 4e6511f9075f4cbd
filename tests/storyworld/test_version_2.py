"""What version 2 of the world adds: kites, times of day, twins, held-out looks, detail masks, readable gestures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestory_cli.storyworld import (
    CharacterLook,
    WorldConfig,
    WorldPlace,
    WorldStory,
    make_story,
    relevance,
    render_shot,
)
from onestory_cli.storyworld.stories import patterns_of
from onestory_cli.storyworld.vocabulary import COLOURS, KITE_ACTION, SETTINGS, tokens, words_of
from onestory_cli.storyworld.world import HELD_OUT, is_held_out
from tests.storyworld.test_render import FOX, place, shot

WORLD = WorldConfig(version=2, frames=5)
SIX = WorldConfig(version=2, species=("fox", "rabbit", "bear", "robot", "frog", "ghost"))
BEAR = CharacterLook(species="bear", colour="purple")


def stories(config: WorldConfig = WORLD, *, count: int = 80, twins: bool | None = None) -> list[WorldStory]:
    return [make_story(seed, config, twins=twins) for seed in range(count)]


def looks_of(story: WorldStory) -> set[CharacterLook]:
    return {actor.look for one in story.shots for actor in one.actors}


def test_captions_use_all_words_of_the_version_and_no_others() -> None:
    used = {token for story in stories(count=400) for one in story.shots for token in tokens(one.caption)}
    assert used == set(words_of(2))
    assert set(words_of(1)) < set(words_of(2))


def test_the_same_seed_gives_the_same_story() -> None:
    assert make_story(7, WORLD) == make_story(7, WORLD)
    assert {story.pattern for story in stories()} == set(patterns_of(2))


def test_training_never_shows_a_held_out_look_and_the_test_set_shows_no_other() -> None:
    trained = {look for story in stories(SIX) for look in looks_of(story)}
    unseen = {look for story in stories(replace(SIX, combinations="unseen")) for look in looks_of(story)}
    assert not any(map(is_held_out, trained))
    assert unseen
    assert all(map(is_held_out, unseen))
    every = {look for story in stories(replace(SIX, combinations="all")) for look in looks_of(story)}
    assert 0.04 < sum(map(is_held_out, every)) / len(every) < 0.2


def test_held_out_looks_share_every_attribute_with_trained_ones() -> None:
    trained = {look for story in stories(SIX, count=200) for look in looks_of(story)}
    for look in {look for story in stories(replace(SIX, combinations="unseen")) for look in looks_of(story)}:
        assert any((other.species, other.colour) == (look.species, look.colour) for other in trained)
        assert any((other.species, other.accessory) == (look.species, look.accessory) for other in trained)


def test_twins_share_a_species_and_captions_tell_them_apart() -> None:
    for story in stories(twins=True):
        named: dict[str, CharacterLook] = {}
        for one in story.shots:
            for actor, spelled in zip(one.actors, one.names_look, strict=True):
                if spelled:
                    continue
                look = actor.look
                names = [f"{look.colour} {look.species}", f"{look.species} with the {look.accessory}", look.species]
                name = next(name for name in names if f"the {name}" in one.caption or f"same {name}" in one.caption)
                assert named.setdefault(name, look) == look, one.caption


def test_some_stories_have_twins_and_some_have_none() -> None:
    pairs = [len(looks) - len({look.species for look in looks}) for looks in map(looks_of, stories(count=200))]
    assert 0.1 < np.mean([pair > 0 for pair in pairs]) < 0.4
    assert not any(len(looks) > len({look.species for look in looks}) for looks in map(looks_of, stories(twins=False)))


def test_relevance_tells_twins_apart() -> None:
    red, blue = CharacterLook(species="fox", colour="red"), CharacterLook(species="fox", colour="blue")
    shots = (shot(red, where=place("meadow")), shot(blue, where=place("beach")), shot(red, where=place("forest")))
    assert relevance(WorldStory(seed=0, pattern="", shots=shots), 2) == (1.0, -1.0)


def test_a_world_without_kites_has_the_other_features_of_version_2() -> None:
    without = stories(replace(WORLD, kites=False))
    assert not any(one.kite for story in without for one in story.shots)
    used = {word for story in without for one in story.shots for word in tokens(one.full_caption)}
    assert used <= {*words_of(2, kites=False)}
    assert "sunset" in used
    assert {*words_of(2)} - {*words_of(2, kites=False)} == {"flies", "kite", "over"}
    assert words_of(1, kites=False) == words_of(1)


def test_a_kite_is_named_in_full_once_and_referred_to_later() -> None:
    flown = 0
    for story in stories(count=200):
        kites = [one for one in story.shots if one.kite]
        assert len({one.kite for one in kites}) <= 1
        for number, one in enumerate(kites):
            assert f"{one.kite} kite" in one.full_caption
            assert (f"a {one.kite} kite" in one.caption or f"an {one.kite} kite" in one.caption) == (number == 0)
            assert SETTINGS[one.place.setting].has_sky
            flown += bool(one.actors)
            assert all(actor.action == KITE_ACTION for actor in one.actors)
    assert flown > 20


@pytest.mark.parametrize("x", [0.34, 0.66])
@pytest.mark.parametrize("framing", ["wide shot", "medium shot"])
def test_a_kite_flies_before_its_actor_high_in_the_frame(x: float, framing: str) -> None:
    one = shot(BEAR, action=KITE_ACTION, kite="red", where=place("city"), framing=framing)
    facing = 1 if x < 0.5 else -1
    one = replace(one, actors=(replace(one.actors[0], x=x, facing=facing),))
    red, white = (render_shot(replace(one, kite=colour), WORLD) for colour in ("red", "white"))
    sail = (red.pixels_THWC != white.pixels_THWC).any(-1)
    _, rows, columns = np.nonzero(sail)
    assert (sail.sum((1, 2)) > 60).all()
    assert rows.mean() / 64 < 0.35
    assert (columns.mean() / 64 - 0.5) * facing > 0.1


def test_an_empty_sky_shows_a_kite_without_a_string() -> None:
    where = place("meadow", accent="white")
    empty, kite = render_shot(shot(where=where), WORLD), render_shot(shot(where=where, kite="purple"), WORLD)
    changed = (empty.pixels_THWC != kite.pixels_THWC).any(-1)
    assert 60 < changed[0].sum() < 600
    assert not kite.mask_THW.any()


def test_an_actor_without_a_kite_cannot_fly_one() -> None:
    with pytest.raises(ValueError, match="needs the kite's colour"):
        shot(FOX, action=KITE_ACTION)


@pytest.mark.parametrize("setting", [name for name, words in SETTINGS.items() if len(words.times) > 1])
def test_night_is_darker_than_sunset_and_sunset_than_day(setting: str) -> None:
    light = []
    for time in ("day", "sunset", "night"):
        where = replace(place(setting, accent="purple"), time=time)
        light.append(render_shot(shot(where=where), WORLD).pixels_THWC.mean())
    assert light[0] > light[1] + 15 > light[2] + 40


@pytest.mark.parametrize("time", ["day", "sunset", "night"])
@pytest.mark.parametrize("colour", ["red", "yellow", "green", "blue", "purple", "white"])
def test_the_accent_is_recognisable_at_every_time_of_day(time: str, colour: str) -> None:
    where = replace(place("desert", accent=colour), time=time)
    pixels = render_shot(shot(where=where), WorldConfig(version=2, frames=1)).pixels_THWC[0, 32:35, 11:14]
    palette = np.array(list(COLOURS.values()))
    nearest = np.abs(pixels.reshape(-1, 1, 3).astype(int) - palette).sum(-1).argmin(-1)
    assert list(COLOURS)[np.bincount(nearest).argmax()] == colour


def test_the_time_of_a_place_lasts_through_its_story() -> None:
    times: set[str] = set()
    for story in stories():
        places = {one.place.setting: one.place for one in story.shots}
        assert all(one.place == places[one.place.setting] for one in story.shots)
        times |= {where.time for where in places.values()}
    assert times == {"day", "sunset", "night"}


def test_a_time_that_a_setting_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="time: unknown name 'night'"):
        WorldPlace(setting="kitchen", accent_colour="red", accent_x=0.2, sun_x=0.2, layout_seed=1, time="night")


def test_details_mark_two_eyes_a_nose_and_the_outline() -> None:
    rendered = render_shot(shot(FOX, where=place(accent_x=0.19)), WorldConfig(version=2, size=128, frames=1))
    details, cast = rendered.details_THW[0], rendered.mask_THW[0]
    eyes, mouth, outline = (details == value for value in (2, 3, 1))
    assert 80 < eyes.sum() < 250
    assert 8 < mouth.sum() < 60
    assert cast[eyes | mouth].all()
    assert np.median(rendered.pixels_THWC[0][outline & cast].mean(-1)) == 30  # ink
    columns = np.flatnonzero(eyes.any(0))
    assert (np.diff(columns) > 1).sum() == 1  # two separate eyes


@pytest.mark.parametrize("accessory", ["hat", "scarf", "shirt"])
def test_details_mark_an_accessory(accessory: str) -> None:
    red, blue = (
        CharacterLook(species="fox", colour="green", accessory=accessory, accessory_colour=colour)
        for colour in ("red", "blue")
    )
    first, second = (render_shot(shot(look), WorldConfig(version=2, size=128, frames=1)) for look in (red, blue))
    changed = first.pixels_THWC.astype(int) - second.pixels_THWC
    worn = first.details_THW == 4
    assert worn.sum() > 100
    assert (np.abs(changed).max(-1)[worn] > 60).all()
    assert (np.abs(changed).max(-1) > 200).sum() < 1.2 * worn.sum()  # and nothing is left out


def test_a_hidden_eye_is_not_marked() -> None:
    frog = CharacterLook(species="frog", colour="green", accessory="hat", accessory_colour="red")
    first, second = (render_shot(shot(frog), WorldConfig(version=version, size=128, frames=1)) for version in (1, 2))
    assert (first.details_THW == 2).sum() < 0.8 * (second.details_THW == 2).sum()


def test_a_still_from_the_middle_shows_a_stride_and_a_raised_hand() -> None:
    world = WorldConfig(version=2, size=128)
    actions = ("stands", "waves", "walks right")
    middle = {action: render_shot(shot(BEAR, action=action), world).mask_THW[8] for action in actions}
    feet = {action: np.flatnonzero(mask[108:].any(0)) for action, mask in middle.items()}
    assert np.ptp(feet["walks right"]) > np.ptp(feet["stands"]) + 8
    arms = {action: np.flatnonzero(mask[40:80].any(0)).max() for action, mask in middle.items()}
    assert arms["waves"] > arms["stands"] + 4


def test_held_out_stories_are_drawn_from_the_held_out_seeds_too() -> None:
    story = make_story(HELD_OUT, replace(SIX, combinations="unseen"), twins=True)
    assert all(is_held_out(look) for look in looks_of(story))


def test_a_wrong_version_or_combination_is_refused() -> None:
    with pytest.raises(ValueError, match="version must be 1 or 2"):
        WorldConfig(version=3)
    with pytest.raises(ValueError, match="combinations must be one of"):
        WorldConfig(combinations="some")  # type: ignore[arg-type]
