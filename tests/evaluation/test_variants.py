"""The variants that command-line options select."""

from __future__ import annotations

import pytest

from onestory_cli.commands._evaluate_model import BenchmarkFlags
from onestory_cli.evaluation.variants import Variant, by_guidance, by_part, by_policy
from onestory_cli.memory.levels import allocate
from onestory_cli.models.catalog import find

BOTH = (True, False)


def test_policies_at_one_budget_are_named_by_policy() -> None:
    made = by_policy(("adaptive", "none"), (4.0,), frames=8)
    assert [(item.name, item.policy, item.frames, item.budget) for item in made] == [
        ("adaptive", "adaptive", 8, 4.0),
        ("none", "none", 8, 4.0),
    ]


def test_budgets_are_part_of_the_name_if_they_differ() -> None:
    assert [item.name for item in by_policy(("adaptive",), (0.5, 1.0), frames=8)] == ["budget 0.5", "budget 1"]
    assert by_policy(("adaptive", "recent"), (1.0, 2.0), frames=8)[3].name == "recent, budget 2"


def test_guidance_is_part_of_the_name_if_it_differs() -> None:
    one, two = by_policy(("adaptive",), (4.0,), frames=8), by_policy(("adaptive", "none"), (4.0,), frames=8)
    assert [(item.name, item.guidance) for item in by_guidance(one, (2.0,))] == [("adaptive", 2.0)]
    assert [(item.name, item.guidance) for item in by_guidance(one, (0.0, 2.5))] == [
        ("guidance 0", 0.0),
        ("guidance 2.5", 2.5),
    ]
    assert [item.name for item in by_guidance(two, (0.0, 2.0))][1:3] == ["adaptive, guidance 2", "none, guidance 0"]


def test_no_selector_and_conditioner_at_budget_1_is_the_last_frame() -> None:
    both, selector, conditioner, neither = by_part(BOTH, BOTH, (1.0,), frames=8)
    assert [item.name for item in (both, selector, conditioner, neither)] == [
        "both",
        "selector",
        "conditioner",
        "neither",
    ]
    assert both == Variant(name="both", policy="adaptive", frames=8, budget=1.0)
    assert (selector.policy, selector.frames) == ("adaptive", 1)
    assert (conditioner.policy, conditioner.frames) == ("recent", 8)
    assert (neither.policy, neither.frames) == ("recent", 1)


@pytest.mark.parametrize("budget", [1.0, 2.5, 4.0])
def test_without_conditioner_all_frames_are_at_the_finest_level(budget: float) -> None:
    (variant,) = by_part((True,), (False,), (budget,), frames=8)
    levels = allocate(variant.frames, variant.budget, height=8, width=8)
    assert {level.name for level in levels} == {"fine"}
    assert len(levels) == int(budget)


def test_without_conditioner_no_more_frames_are_remembered() -> None:
    assert [item.frames for item in by_part((True,), BOTH, (4.0,), frames=2)] == [2, 2]


def test_equal_numbers_in_other_notation_are_one_column() -> None:
    spec = find("storyworld")
    several = BenchmarkFlags(budgets="1,1.0,2", memory_guidance="0,-0,3,3.00", policies="adaptive").variants(spec)
    assert [(item.budget, item.guidance) for item in several] == [(1, 0), (1, 3), (2, 0), (2, 3)]
    assert len({item.name for item in several}) == 4
    (one,) = BenchmarkFlags(budgets="1,1.0", policies="adaptive").variants(spec)
    assert one.name == "adaptive"


def test_invalid_comparisons_are_rejected() -> None:
    with pytest.raises(ValueError, match='unknown policy "best"'):
        by_policy(("best",), (1.0,), frames=8)
    with pytest.raises(ValueError, match="at least 1"):
        by_part(BOTH, BOTH, (0.5,), frames=8)
    with pytest.raises(ValueError, match="one budget"):
        by_part(BOTH, BOTH, (1.0, 2.0), frames=8)
