"""Characters of prompts that come without a list: names, labels and roles, with the looks that texts give."""

from __future__ import annotations

import pytest

from onestory_cli.importers.cast import people_in
from onestory_cli.importers.draft import ImportReport
from onestory_cli.importers.entities import Registry
from onestory_cli.importers.names import Names


def looks(prompts: list[str], others: list[str] | None = None) -> dict[str, str]:
    return {entity.name: entity.look for entity in people_in(prompts, others or [])}


def test_full_name_describes_the_short_one() -> None:
    prompts = [
        "At the pier, Ana Mireles, a tall woman in a yellow coat, waits for the ferry.",
        "Ana looks out to sea. The wind pulls at Ana.",
        "The ferry lands, and Ana steps aboard.",
    ]
    assert looks(prompts) == {"Ana": "Ana Mireles, a tall woman in a yellow coat"}
    registry = Registry(people_in(prompts), Names())
    assert registry.refer(prompts[0]) == "At the pier, $ana, waits for the ferry."
    assert registry.refer(prompts[1]) == "$ana looks out to sea. The wind pulls at $ana."


def test_name_that_acts_is_a_character_without_a_description() -> None:
    prompts = ["In the shop, Ivo Brandt reads a list.", "Ivo walks on. Beside Ivo, a cat.", "Ivo smiles at a cat."]
    assert looks(prompts) == {"Ivo": "Ivo Brandt"}
    assert looks(["We see Lisbon.", "In Lisbon it rains.", "Over Lisbon, birds fly."]) == {}


def test_labels_take_their_look_from_first_frames() -> None:
    prompts = ["Baker A kneads while Baker B watches.", "Then Baker A laughs.", "Both sit; Baker A and Baker B rest."]
    first = ["Baker A (adult man, 50, grey beard, white apron) stands at a table."]
    assert looks(prompts, first) == {"Baker A": "an adult man, 50, grey beard, white apron"}


@pytest.mark.parametrize(
    "text",
    [
        "The same baker: a 50-year-old man with a grey beard, wearing an apron. He waits.",
        "Character A (baker): a 50-year-old man with a grey beard, wearing an apron. He waits.",
    ],
)
def test_role_is_a_character_if_a_text_describes_who_has_it(text: str) -> None:
    prompts = ["The baker kneads.", "Slowly the baker turns.", "The oven glows; the baker smiles."]
    assert looks(prompts, [text]) == {"the baker": "a 50-year-old man with a grey beard, wearing an apron"}
    registry = Registry(people_in(prompts, [text]), Names())
    assert [registry.refer(prompt) for prompt in prompts[:2]] == ["$baker kneads.", "Slowly $baker turns."]
    (baker,) = registry.declare("character", ImportReport("x"))
    assert (baker.id, baker.again) == ("baker", "the baker")


def test_things_and_places_are_not_characters() -> None:
    prompts = [
        "The notepad lies open.",
        "She turns the notepad.",
        "He takes the notepad with a pen.",
        "a notepad with a pen",
    ]
    assert looks(prompts) == {}
    prompts = ["We reach Arden Hall, a grand manor in mist.", "Rain falls on Arden Hall.", "Night at Arden Hall."]
    assert {entity.kind for entity in people_in(prompts)} <= {"setting"}


def test_description_that_refers_back_is_not_a_look() -> None:
    prompts = ["At dawn, Rui digs.", "At noon, Rui rests.", "At dusk, Rui leaves."]
    others = ["Rui (same face, same clothes) digs.", "A gardener named Rui, adult, with short hair, digs."]
    assert looks(prompts, others) == {"Rui": "Rui, adult, with short hair"}
