"""Labels of tokens and words: looks, roles and settings, and the words that describe them."""

from __future__ import annotations

from dataclasses import replace

import torch

from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SETTINGS, SPECIES, tokens
from onestory_cli.storyworld.world import Actor, CharacterLook, WorldConfig, WorldPlace, WorldShot
from onestory_cli.training.probes.labels import (
    WordProbe,
    identities,
    look_labels,
    setting_labels,
    with_roles,
    word_labels,
)
from onestory_cli.training.probes.token_probe import NO_LABEL

FOX = CharacterLook(species="fox", colour="red", accessory="hat", accessory_colour="blue")
BEAR = CharacterLook(species="bear", colour="green")


def shot(*looks: CharacterLook) -> WorldShot:
    place = WorldPlace(setting="beach", accent_colour="red", accent_x=0.5, sun_x=0.5, layout_seed=1)
    actors = tuple(Actor(look=look, action="stands", x=0.3, facing=1) for look in looks)
    return WorldShot(
        place=place,
        actors=actors,
        framing="wide shot",
        ground=0.1,
        caption="",
        full_caption="",
        names_look=(True,) * len(looks),
        names_place="full",
    )


def test_labels_are_vocabulary_indices_or_missing() -> None:
    assert look_labels(shot(FOX, BEAR)) == [
        [SPECIES.index("fox"), list(COLOURS).index("red"), ACCESSORIES.index("hat"), list(COLOURS).index("blue")],
        [SPECIES.index("bear"), list(COLOURS).index("green"), ACCESSORIES.index("none"), NO_LABEL],
    ]
    assert look_labels(shot(BEAR))[1] == look_labels(shot())[0] == [NO_LABEL] * 4


def test_remembered_character_has_the_role_of_its_species_in_the_caption() -> None:
    fox, bear, frog = (SPECIES.index(name) for name in ("fox", "bear", "frog"))
    earlier = torch.tensor([[fox, NO_LABEL], [bear, frog], [NO_LABEL, NO_LABEL]])
    roles = {
        named: with_roles(earlier, earlier, torch.tensor(named).expand(3, -1))[..., 1].tolist()
        for named in ((bear, fox), (fox, NO_LABEL))
    }
    assert roles[bear, fox] == [[1, NO_LABEL], [0, 2], [NO_LABEL, NO_LABEL]]
    assert roles[fox, NO_LABEL] == [[0, NO_LABEL], [2, 2], [NO_LABEL] * 2]
    assert torch.equal(with_roles(earlier, earlier, earlier)[..., 0], earlier)
    assert with_roles(earlier[:0], earlier[:0], torch.tensor([fox, bear]).expand(0, -1)).shape == (0, 2, 2)


def test_twins_have_separate_roles() -> None:
    species, who = torch.full((2, 2), SPECIES.index("fox")), torch.tensor([[0, NO_LABEL], [1, 0]])
    assert with_roles(species, who, torch.tensor([[1, 0]] * 2))[..., 1].tolist()[1] == [0, 1]
    assert with_roles(species, who, torch.tensor([[1, NO_LABEL]] * 2))[..., 1].tolist()[0][0] == 2


def test_twins_are_two_characters_with_their_own_words() -> None:
    world = WorldConfig(version=2)
    for seed in range(40):
        story = make_story(seed, world, twins=True)
        looks: dict[int, CharacterLook] = {}
        for shown, row in zip(story.shots, identities(story), strict=True):
            for actor, who in zip(shown.actors, row, strict=False):
                assert looks.setdefault(who, actor.look) == actor.look
            assert row[len(shown.actors) :] == [NO_LABEL] * (2 - len(shown.actors))
            labels = word_labels(shown.caption, shown, shown.names_look, length=40)
            owners = [row[0] for row in labels if row[0] != NO_LABEL]
            assert list(dict.fromkeys(owners)) == list(range(len(shown.actors))), shown.caption
        assert len(set(looks.values())) == len(looks)


def test_actors_of_a_caption_have_roles_in_its_order() -> None:
    assert with_roles(torch.tensor([[4, 2], [3, NO_LABEL]]))[..., 1].tolist() == [[0, 1], [0, NO_LABEL]]


def test_setting_is_labelled_with_its_visible_details() -> None:
    wide = replace(shot(), place=replace(shot().place, accent_x=0.2))
    assert setting_labels(wide) == [list(SETTINGS).index("beach"), list(COLOURS).index("red"), 0]
    close = replace(shot(FOX), place=replace(shot().place, accent_x=0.99), framing="close-up")
    assert setting_labels(close) == [list(SETTINGS).index("beach"), NO_LABEL, NO_LABEL]


def test_words_are_labelled_with_the_actor_they_describe() -> None:
    both = shot(FOX, BEAR)
    caption = "Wide shot. The same bear and a red fox with a blue hat wave on a beach."
    rows = word_labels(caption, shot(BEAR, FOX), (False, True), length=24)
    words = tokens(caption)
    labelled = {word: row for word, row in zip(words, rows, strict=False) if row[0] != NO_LABEL and word != "a"}
    assert labelled == {
        "bear": [0, *[NO_LABEL] * 4],
        **{word: [1, *look_labels(both)[0]] for word in ("red", "fox", "with", "blue", "hat")},
    }
    assert len(rows) == 24
    assert [row[0] for row in rows[len(words) :]] == [NO_LABEL] * (24 - len(words))
    assert word_labels(caption, shot(BEAR, FOX), (False, True), length=3) == rows[:3]


def test_words_of_every_caption_are_labelled() -> None:
    for seed in range(20):
        for shown in make_story(seed, WorldConfig()).shots:
            rows = word_labels(shown.caption, shown, shown.names_look, length=40)
            named = {tokens(shown.caption)[place]: row[0] for place, row in enumerate(rows) if row[0] != NO_LABEL}
            assert [named[actor.look.species] for actor in shown.actors] == list(range(len(shown.actors)))


def test_word_loss_is_zero_for_correct_and_high_for_wrong_predictions() -> None:
    reader = WordProbe(4)
    with torch.no_grad():
        reader.read_embed.weight.zero_()
        reader.read_embed.weight[:2, :2] = torch.eye(2) * 50  # the order is in the first two channels
        reader.read_embed.bias.zero_()
    text = torch.eye(2, 4)[None]
    right = torch.full((1, 2, 5), NO_LABEL)
    right[0, :, 0] = torch.tensor([0, 1])
    assert reader.loss(text, right) < 1e-6
    assert reader.loss(text.flip(1), right) > 10
    assert reader.loss(text, torch.full((1, 2, 5), NO_LABEL)) == 0
