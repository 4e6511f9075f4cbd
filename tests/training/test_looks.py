"""Looks read off hidden states: which tokens are asked, what they are asked for, and that the answers can be learned.

Shape letters: B batch, A actors, K attributes, D width, M joined tokens, T latent frames, H W latent cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from onestory_cli.models.levels import LEVELS
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SPECIES, tokens
from onestory_cli.storyworld.world import Actor, Look, Place, WorldConfig, WorldShot
from onestory_cli.training.looks import (
    ATTRIBUTES,
    NO_LABEL,
    ROLES,
    LookReader,
    RoleReader,
    Roles,
    WordReader,
    hidden_after,
    look_labels,
    role_labels,
    word_labels,
)

FOX = Look(species="fox", colour="red", accessory="hat", accessory_colour="blue")
BEAR = Look(species="bear", colour="green")
CLASSES = sum(map(len, ATTRIBUTES))


def shot(*looks: Look) -> WorldShot:
    place = Place(setting="beach", accent_colour="red", accent_x=0.5, sun_x=0.5, layout_seed=1)
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


def left_and_right() -> Tensor:
    """(B, A, T, H, W): the first actor covers the left half of 4 x 4 cells, the second the right one."""
    cast = torch.zeros(1, 2, 1, 4, 4)
    cast[:, 0, :, :, :2] = cast[:, 1, :, :, 2:] = 1
    return cast


def answering(reader: LookReader, looks: list[Look]) -> Tensor:
    """Hidden states (1, N, D) of four tokens, from which the reader reads these looks for certain, left to right."""
    with torch.no_grad():
        reader.norm = nn.Identity()
        reader.read_embed.weight.copy_(torch.eye(CLASSES) * 50)
        reader.read_embed.bias.zero_()
    columns = []
    for look in looks:
        hidden, start = torch.zeros(CLASSES), 0
        for names, label in zip(ATTRIBUTES, look_labels(shot(look))[0], strict=True):
            if label != NO_LABEL:
                hidden[start + label] = 1
            start += len(names)
        columns.append(hidden)
    return torch.stack([*columns, *columns])[None]  # two rows of tokens


def test_labels_are_places_in_the_vocabularies_and_nothing_for_what_is_not_there() -> None:
    assert look_labels(shot(FOX, BEAR)) == [
        [SPECIES.index("fox"), list(COLOURS).index("red"), ACCESSORIES.index("hat"), list(COLOURS).index("blue")],
        [SPECIES.index("bear"), list(COLOURS).index("green"), ACCESSORIES.index("none"), NO_LABEL],
    ]
    assert look_labels(shot(BEAR))[1] == look_labels(shot())[0] == [NO_LABEL] * 4


def test_each_token_is_asked_for_the_actor_that_covers_it() -> None:
    reader, looks = LookReader(CLASSES), torch.tensor([look_labels(shot(FOX, BEAR))])
    right = reader.loss(answering(reader, [FOX, BEAR]), left_and_right(), looks, patch=2)
    swapped = reader.loss(answering(reader, [BEAR, FOX]), left_and_right(), looks, patch=2)
    assert right < 1e-6
    assert swapped > 10


def test_what_no_actor_covers_is_not_asked_and_context_tokens_are_not_read() -> None:
    reader, looks = LookReader(CLASSES), torch.tensor([look_labels(shot(FOX))])
    hidden = answering(reader, [FOX, BEAR])
    context = answering(reader, [BEAR, BEAR])
    cast = left_and_right() * torch.tensor([1.0, 0.0])[:, None, None, None]
    assert reader.loss(torch.cat([context, hidden], dim=1), cast, looks, patch=2) < 1e-6


def test_a_shot_without_actors_costs_nothing_and_breaks_nothing() -> None:
    reader = LookReader(8)
    loss = reader.loss(torch.randn(1, 4, 8), torch.zeros(1, 2, 1, 4, 4), torch.tensor([look_labels(shot())]), patch=2)
    assert loss == 0


def test_guessing_costs_the_mean_logarithm_of_the_classes() -> None:
    reader, looks = LookReader(8), torch.tensor([look_labels(shot(FOX, FOX))])
    nn.init.zeros_(reader.read_embed.weight)
    nn.init.zeros_(reader.read_embed.bias)
    loss = reader.loss(torch.randn(1, 4, 8), left_and_right(), looks, patch=2)
    assert math.isclose(float(loss), sum(math.log(len(names)) for names in ATTRIBUTES) / 4, rel_tol=1e-5)


def reading_roles() -> RoleReader:
    """A reader of hidden states that hold the species, one-hot, and then the role, and is certain of what it reads."""
    width = len(SPECIES) + ROLES
    reader = RoleReader(width)
    with torch.no_grad():
        reader.norm = nn.Identity()
        reader.read_embed.weight.copy_(torch.eye(width) * 50)
        reader.read_embed.bias.zero_()
    return reader


def test_a_remembered_character_has_the_role_that_the_caption_gives_its_species() -> None:
    fox, bear, frog = (SPECIES.index(name) for name in ("fox", "bear", "frog"))
    earlier = torch.tensor([[fox, NO_LABEL], [bear, frog], [NO_LABEL, NO_LABEL]])
    assert role_labels(earlier, torch.tensor([bear, fox])).tolist() == [[1, NO_LABEL], [0, 2], [NO_LABEL, NO_LABEL]]
    assert role_labels(earlier, torch.tensor([fox, NO_LABEL])).tolist() == [[0, NO_LABEL], [2, 2], [NO_LABEL] * 2]
    assert role_labels(earlier[:0], torch.tensor([fox, bear])).shape == (0, 2)


def test_tokens_of_memory_and_noise_are_asked_for_species_and_role_of_whom_they_show() -> None:
    fox, bear, frog = (SPECIES.index(name) for name in ("fox", "bear", "frog"))
    halves = left_and_right()
    remembered = Roles.of_context(
        halves.transpose(1, 2).expand(-1, 3, -1, -1, -1),
        torch.tensor([[[fox, bear], [frog, NO_LABEL], [bear, bear]]]),
        torch.tensor([[[1, 0], [2, NO_LABEL], [0, 0]]]),
        [LEVELS[0], LEVELS[1]],  # 2 x 2 tokens of one frame, 1 of the next; the third found no room
    )
    assert remembered.cover_BAM[0].tolist() == [[1, 0, 1, 0, 0.5], [0, 1, 0, 1, 0.5]]
    noise = Roles.of_noise(halves, torch.tensor([[bear, fox]]), patch=2)  # the bear is named first
    species = torch.tensor([fox, bear, fox, bear, frog, bear, fox, bear, fox])
    roles = torch.tensor([1, 0, 1, 0, 2, 0, 1, 0, 1])
    told = nn.functional.one_hot(torch.stack([species, len(SPECIES) + roles]), len(SPECIES) + ROLES).sum(0).float()
    assert reading_roles().loss(told[None], [remembered, noise]) < 1e-6
    for place in range(9):
        for right, first, count in ((species, 0, len(SPECIES)), (roles, len(SPECIES), ROLES)):
            wrong = told.clone()
            wrong[place, first : first + count] = torch.eye(count)[(right[place] + 1) % count]
            assert reading_roles().loss(wrong[None], [remembered, noise]) > 1, (place, first)


def test_noise_that_shows_one_actor_or_nobody_is_asked_of_no_second() -> None:
    reader, hidden = reading_roles(), torch.zeros(1, 4, len(SPECIES) + ROLES)
    alone = Roles.of_noise(left_and_right(), torch.tensor([[3, NO_LABEL]]), patch=2)
    guess = (math.log(len(SPECIES)) + math.log(ROLES)) / 2
    assert math.isclose(float(reader.loss(hidden, [alone])), guess, rel_tol=1e-5)
    assert alone.roles_BAM[0, 1].tolist() == [NO_LABEL] * 4
    assert reader.loss(hidden, [Roles.of_noise(left_and_right() * 0, torch.tensor([[NO_LABEL] * 2]), patch=2)]) == 0


def test_words_are_about_the_actor_whose_look_they_tell() -> None:
    both = shot(FOX, BEAR)
    caption = "Wide shot. The same bear and a red fox with a blue hat wave on a beach."
    rows = word_labels(caption, shot(BEAR, FOX), (False, True), length=24)
    words = tokens(caption)
    told = {word: row for word, row in zip(words, rows, strict=False) if row[0] != NO_LABEL and word != "a"}
    assert told == {
        "bear": [0, *[NO_LABEL] * 4],
        **{word: [1, *look_labels(both)[0]] for word in ("red", "fox", "with", "blue", "hat")},
    }
    assert len(rows) == 24
    assert [row[0] for row in rows[len(words) :]] == [NO_LABEL] * (24 - len(words))
    assert word_labels(caption, shot(BEAR, FOX), (False, True), length=3) == rows[:3]


def test_every_caption_of_a_story_has_its_words_labelled() -> None:
    for seed in range(20):
        for told in make_story(seed, WorldConfig()).shots:
            rows = word_labels(told.caption, told, told.names_look, length=40)
            named = {tokens(told.caption)[place]: row[0] for place, row in enumerate(rows) if row[0] != NO_LABEL}
            assert [named[actor.look.species] for actor in told.actors] == list(range(len(told.actors)))


def test_words_are_read_right_for_nothing_and_wrong_at_a_price() -> None:
    reader = WordReader(4)
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


def test_what_leaves_a_block_is_kept_while_asked() -> None:
    blocks = nn.Module()
    blocks.blocks = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    entry = torch.randn(1, 2, 3)
    with hidden_after(blocks, 0) as kept:
        middle = blocks.blocks[0](entry)
        blocks.blocks[1](middle)
    blocks.blocks[0](entry)
    assert [item is middle for item in kept] == [True]
