from __future__ import annotations

import pytest

from onestory_cli.story.referential_phrase import default_again


@pytest.mark.parametrize(
    ("id", "look", "again"),
    [
        ("fox", "a red fox with a blue scarf", "the same fox"),
        ("hero", "a red fox with a blue scarf", "the same fox"),
        ("old-bear", "an old bear", "the same old bear"),
        ("bruno", "an old bear", "the same bear"),
        ("marta", "a woman with grey hair", "the same woman"),
        ("marta", "Marta, a woman with grey hair", "Marta"),
        ("marta", "Marta", "Marta"),
        ("marta", "Marta Ruiz in a yellow raincoat", "Marta Ruiz"),
        ("voss", "Dr. Elena Voss, a tall scientist", "Dr. Elena Voss"),
        ("maya", "a small girl named Maya Santos with red hair", "Maya Santos"),
        ("fox", "Red fox with a scarf", "the same fox"),
        ("anna", "Woman in a red coat", "the same anna"),
        ("sailor", "an elderly, bearded fisherman in a cap", "the same fisherman"),
        ("tom", "a tall, thin man, about 40", "the same man"),
        ("tom", "a man, tall and thin", "the same man"),
        ("kids", "two small children", "the same children"),
        ("pair", "a fox and a hare", "the same pair"),
        ("dog", "a black and white dog", "the same dog"),
        ("city", "a city at night", "the same city"),
        ("home", "a beach house", "the same house"),
        ("beach", "sandy beach at noon", "the same beach"),
        ("paris", "Paris at night", "Paris"),
        ("beach", "Beach at sunset", "the same beach"),
        ("fuchs", "ein roter Fuchs mit Schal", "the same fuchs"),
        ("hamabe", "浜辺", "the same hamabe"),
        ("robot", "a robot.", "the same robot"),
        ("x", "", "the same x"),
        ("x", "A", "the same x"),
        ("x", "...", "the same x"),
        ("the-end", "the end", "the same end"),
    ],
)
def test_default_again(id: str, look: str, again: str) -> None:
    assert default_again(id, look) == again
