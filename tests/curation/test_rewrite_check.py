"""Rewrites that do not refer to earlier shots, or say more than was seen, are rejected."""

from __future__ import annotations

import pytest

from onestory_cli.curation.rewrite_check import rewrite_fault

BEFORE = "A tall man in a grey coat opens a wooden door in a hallway."
OWN = "A tall man in a white shirt sits at a kitchen table and reads a letter."


@pytest.mark.parametrize(
    ("rewritten", "fault"),
    [
        ("The same man, now in a white shirt, sits at a kitchen table and reads a letter.", ""),
        ("He reads a letter at a kitchen table, in a white shirt.", ""),
        (OWN, ""),
        ("", "empty answer"),
        (BEFORE, "copies the caption before"),
        (BEFORE.replace("opens a", "opens the"), "copies the caption before"),
        ("A person in a white shirt reads a letter at a table.", "refers to no earlier shot"),
        ("The same man fights a dragon above a burning castle.", "describes what no caption has"),
        (OWN + " The same man." * 20, "much longer than the caption"),
    ],
)
def test_faults(rewritten: str, fault: str) -> None:
    assert rewrite_fault(rewritten, OWN, [BEFORE]) == fault


def test_traits_that_did_not_change_are_not_repeated() -> None:
    own = "A tall man in a grey coat with a red scarf opens a wooden door."
    rewritten = "The same tall man in a grey coat with a red scarf opens a wooden door."
    other = "In a hallway, a tall man in a grey coat with a red scarf waits by a wooden door."
    assert rewrite_fault(rewritten, own, [other]) == "repeats traits that did not change"


def test_shots_that_show_the_same_may_have_the_same_caption() -> None:
    own = "Wide shot. A blue fox waves in a city at night."
    again = "Wide shot. The same fox waves in the same city at night."
    assert rewrite_fault(again, own, ["A blue fox on a beach.", again], own) == ""
    walking = own.replace("waves", "walks left")
    assert rewrite_fault(again, own, ["A blue fox on a beach.", again], walking) == "copies the caption before"


def test_the_same_action_in_the_same_place_is_no_list_of_traits() -> None:
    own = "Wide shot. A red fox walks left in a snowy valley."
    before = "Wide shot. A blue bear walks left in a snowy valley."
    assert rewrite_fault(own.replace("a snowy", "the same snowy"), own, [before], before) == ""
