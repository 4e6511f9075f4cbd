"""Pictures: deterministic, complete, readable, and equal where a place returns."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from onestory_cli.storyworld import Actor, CharacterLook, WorldConfig, WorldPlace, WorldShot, make_story, render_shot
from onestory_cli.storyworld.vocabulary import ACCESSORIES, ACTIONS, COLOURS, FRAMINGS, KITE_ACTION, SETTINGS, SPECIES

SHORT = WorldConfig(frames=3)
FULL = WorldConfig()


def place(setting: str = "meadow", accent: str = "white", accent_x: float = 0.19) -> WorldPlace:
    return WorldPlace(setting=setting, accent_colour=accent, accent_x=accent_x, sun_x=0.4, layout_seed=11)


def shot(
    *looks: CharacterLook,
    framing: str = "wide shot",
    action: str = "stands",
    where: WorldPlace | None = None,
    facing: int = 1,
    kite: str = "",
) -> WorldShot:
    xs = (0.66,) if len(looks) == 1 else (0.39, 0.79)
    actors = tuple(
        Actor(look=look, action=action, x=x, facing=facing) for look, x in zip(looks, xs, strict=bool(len(looks) > 1))
    )
    return WorldShot(
        place=where or place(),
        actors=actors,
        framing=framing,
        ground=0.09,
        caption="",
        full_caption="",
        names_look=(True,) * len(actors),
        names_place="full",
        kite=kite,
    )


def near(pixels: NDArray[np.uint8], colour: str, tolerance: int = 12) -> NDArray[np.bool_]:
    """Pixels (...) within ``tolerance`` of a colour on every channel."""
    distance = np.abs(pixels.astype(int) - np.array(COLOURS[colour]))
    return np.asarray((distance <= tolerance).all(-1))


FOX = CharacterLook(species="fox", colour="red", accessory="scarf", accessory_colour="blue")
BEAR = CharacterLook(species="bear", colour="purple")


GOLDEN = [
    "........................",
    "........................",
    "........................",
    "..........#.....#.......",
    ".........##.....#b......",
    ".........#rb...#r#......",
    ".........#r#####r#......",
    ".........#rrrrrrr#......",
    "........brrrrrrrr#......",
    "........#rrwwrrwbr#.....",
    "........#rrrbrrwbr##....",
    "........#rrrrrwwww##....",
    ".........########bw#....",
    "........##bbbbbbb###....",
    "........#bbbbbbbbb#.....",
    "....#bwr#bbbbbbbb##.....",
    "....#wwwr#bb#######.....",
    "....#wwrr#bb#ww##rr#....",
    "....##rrr#bb#wwr#rr#....",
    ".....#####b##wwr####....",
    ".........###rrrr##......",
    ".........########.......",
    "..........###.###.......",
    "........................",
]


def test_same_shot_same_bytes() -> None:
    story = make_story(4, FULL)
    for one in story.shots[:3]:
        first, second = render_shot(one, FULL), render_shot(one, FULL)
        assert first.pixels_THWC.tobytes() == second.pixels_THWC.tobytes()
        assert np.array_equal(first.mask_THW, second.mask_THW)


def letters(pixels_HWC: NDArray[np.uint8], mask_HW: NDArray[np.bool_]) -> list[str]:
    """A character's picture in letters: r, b, w for the nearest of its colours, # for ink, . for no character."""
    palette = np.array([COLOURS["red"], COLOURS["blue"], COLOURS["white"], (30, 24, 36)])
    nearest = ((pixels_HWC[:, :, None].astype(int) - palette) ** 2).sum(-1).argmin(-1)
    return [
        "".join("rbw#"[n] if m else "." for n, m in zip(*row, strict=True))
        for row in zip(nearest, mask_HW, strict=True)
    ]


def test_golden_picture() -> None:
    rendered = render_shot(shot(FOX, framing="medium shot"), WorldConfig(size=24, frames=1))
    assert letters(rendered.pixels_THWC[0], rendered.mask_THW[0]) == GOLDEN


@pytest.mark.parametrize(("size", "frames"), [(64, 17), (128, 3), (40, 1)])
def test_shapes_and_types(size: int, frames: int) -> None:
    rendered = render_shot(shot(FOX, BEAR), WorldConfig(size=size, frames=frames))
    assert rendered.pixels_THWC.shape == (frames, size, size, 3)
    assert rendered.pixels_THWC.dtype == np.uint8
    assert rendered.mask_THW.shape == (frames, size, size)
    assert rendered.mask_THW.dtype == np.bool_


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("species", SPECIES)
def test_every_look_is_seen_in_every_framing(species: str, framing: str) -> None:
    config = WorldConfig(frames=1)
    # Neither grass nor sky nor house is near these colours.
    for accessory in ACCESSORIES:
        look = CharacterLook(
            species=species,
            colour="purple",
            accessory=accessory,
            accessory_colour="" if accessory == "none" else "red",
        )
        rendered = render_shot(shot(look, framing=framing), config)
        assert rendered.mask_THW.mean() > 0.12
        body = near(rendered.pixels_THWC, "purple")
        assert body.sum() > 40
        assert rendered.mask_THW[body].all()
        if accessory != "none":
            wear = near(rendered.pixels_THWC, "red")
            assert wear.sum() > 12, accessory
            assert rendered.mask_THW[wear].all()


@pytest.mark.parametrize(("framing", "low", "high"), [("wide shot", 0.45, 0.65), ("medium shot", 0.6, 0.85)])
def test_characters_are_big(framing: str, low: float, high: float) -> None:
    for species in SPECIES:
        look = CharacterLook(species=species, colour="purple")
        mask = render_shot(shot(look, framing=framing), WorldConfig(frames=1)).mask_THW[0]
        assert low <= mask.any(1).mean() <= high + 0.08 * (species == "rabbit"), species


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_painted_as_defined(colour: str) -> None:
    rendered = render_shot(shot(CharacterLook(species="bear", colour=colour)), SHORT)
    assert (near(rendered.pixels_THWC, colour, 3) & rendered.mask_THW).sum() > 100


def test_mask_covers_what_an_actor_changes() -> None:
    for framing in FRAMINGS:
        with_actor = shot(FOX, framing=framing)
        rendered = render_shot(with_actor, FULL)
        other = render_shot(replace(with_actor, actors=(replace(with_actor.actors[0], look=BEAR),)), FULL)
        neither = ~(rendered.mask_THW | other.mask_THW)
        # Half-covered rims lie outside the masks, so small differences remain.
        difference = np.abs(rendered.pixels_THWC.astype(int) - other.pixels_THWC.astype(int)).max(-1)
        assert (difference[neither] > 160).sum() == 0
        assert (difference[rendered.mask_THW] > 60).mean() > 0.2


def test_empty_shots_have_an_empty_mask_and_no_motion() -> None:
    rendered = render_shot(shot(), SHORT)
    assert not rendered.mask_THW.any()
    assert (rendered.pixels_THWC == rendered.pixels_THWC[:1]).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_place_looks_the_same_when_it_returns(setting: str) -> None:
    where = place(setting)
    first = render_shot(shot(where=where), SHORT).pixels_THWC
    again = render_shot(replace(shot(where=where), ground=0.11, caption="other"), SHORT).pixels_THWC
    assert np.array_equal(first, again)
    # Around a character, too.
    acted = render_shot(shot(FOX, where=where), SHORT)
    assert np.array_equal(acted.pixels_THWC[:, :20, :10], first[:, :20, :10])


def test_returning_places_in_stories_are_equal() -> None:
    compared = 0
    for seed in range(200):
        shots = [one for one in make_story(seed, SHORT, shots=10).shots if not one.actors]
        for first, second in pairwise(shots):
            if first.place == second.place:
                compared += 1
                assert np.array_equal(render_shot(first, SHORT).pixels_THWC, render_shot(second, SHORT).pixels_THWC)
        if compared > 5:
            return
    pytest.fail("no story returned to an empty place")


@pytest.mark.parametrize("setting", SETTINGS)
def test_accent_object_has_its_colour_and_position(setting: str) -> None:
    for accent_x in (0.19, 0.5, 0.81):
        where = place(setting, accent="purple", accent_x=accent_x)
        pixels = render_shot(shot(where=where), WorldConfig(frames=1)).pixels_THWC[0]
        seen = near(pixels, "purple")
        assert seen.sum() > 40
        columns = np.flatnonzero(seen.any(0))
        assert abs(columns.mean() / 64 - accent_x) < 0.08


def test_layouts_differ_between_places() -> None:
    one, other = place(), replace(place(), layout_seed=12)
    pixels = [render_shot(shot(where=where), SHORT).pixels_THWC for where in (one, other)]
    assert (pixels[0] != pixels[1]).any(-1).mean() > 0.5


def _centre_x(mask_HW: NDArray[np.bool_]) -> float:
    return float(np.nonzero(mask_HW)[1].mean() / mask_HW.shape[1])


@pytest.mark.parametrize(("action", "sign"), [("walks right", 1), ("walks left", -1)])
def test_walks_cross_about_a_third_of_the_frame(action: str, sign: int) -> None:
    where = place(accent_x=0.5)
    one = shot(CharacterLook(species="robot", colour="blue"), action=action, where=where)
    one = replace(one, actors=(replace(one.actors[0], x=0.5),))
    mask = render_shot(one, FULL).mask_THW
    moved = _centre_x(mask[-1]) - _centre_x(mask[0])
    assert 0.28 < sign * moved < 0.4


def test_jumps_rise_and_land() -> None:
    mask = render_shot(shot(BEAR, action="jumps"), FULL).mask_THW
    lowest = [int(np.flatnonzero(frame.any(1)).max()) for frame in mask]
    assert lowest[0] == lowest[-1]
    assert lowest[0] - lowest[8] >= 8


def test_waves_move_only_the_arm() -> None:
    mask = render_shot(shot(BEAR, action="waves"), FULL).mask_THW
    changed = (mask != mask[:1]).any(0)
    assert 10 < changed.sum() < 300
    assert mask[0].sum() > 600


@pytest.mark.parametrize("action", ACTIONS)
def test_neighbouring_frames_change_little(action: str) -> None:
    mask = render_shot(shot(FOX, action=action, kite="red" if action == KITE_ACTION else ""), FULL).mask_THW
    for before, after in pairwise(mask):
        assert (before & after).sum() / (before | after).sum() > 0.7


def test_facing_mirrors() -> None:
    right = render_shot(shot(FOX, facing=1), SHORT).mask_THW
    left = render_shot(shot(FOX, facing=-1), SHORT).mask_THW
    assert not np.array_equal(right, left)


@pytest.mark.parametrize("facing", [1, -1])
def test_walkers_look_where_they_go(facing: int) -> None:
    middle = {}
    for action in ("walks left", "walks right"):
        one = shot(FOX, action=action, facing=facing, where=place(accent_x=0.5))
        one = replace(one, actors=(replace(one.actors[0], x=0.5),))
        middle[action] = render_shot(one, FULL).mask_THW[8]
    assert (middle["walks left"] != middle["walks right"][:, ::-1]).mean() < 0.01
    # The bushy tail trails behind.
    assert _centre_x(middle["walks right"]) < 0.5 < _centre_x(middle["walks left"])


def test_size_is_only_resolution() -> None:
    large = render_shot(shot(FOX), WorldConfig(size=128, frames=1)).pixels_THWC[0]
    small = render_shot(shot(FOX), WorldConfig(size=64, frames=1)).pixels_THWC[0]
    halved = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(halved - small).mean() < 6
