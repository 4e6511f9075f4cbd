from __future__ import annotations

from tests.story.conftest import Found


def test_memory_from_accepts_earlier_shots_only(found: Found) -> None:
    text = """
    shots:
      - {id: a, caption: A fox., memory: {from: [a, b, z]}}
      - {id: b, caption: A fox., memory: {from: [a, a]}}
    """
    assert found(text) == ["S162", "S161", "S160", "S163"]


def test_a_shot_may_have_the_id_of_a_character(found: Found) -> None:
    assert found("characters: {fox: {look: a fox}}\nshots: [{id: fox, caption: $fox waves.}]") == []


def test_one_length_per_map(found: Found) -> None:
    assert found("defaults: {frames: 17}\nshots: [{id: a, caption: A fox., duration: 2s}]") == []
    assert found("shots: [{id: a, caption: A fox., duration: 2s, frames: 17}]") == ["S132"]
