from __future__ import annotations

import pytest

from onestory_cli.story.captions import MAX_RESOLVED, Cast, Resolved, default_again, fold, resolve_all
from onestory_cli.story.types import Character, Setting

FOX = Character(id="fox", look="a red fox", again="the same fox")
BEAR = Character(id="old-bear", look="an old bear", again="the same old bear")
BEACH = Setting(id="beach", look="a beach", again="the same beach")
CAST = Cast(declared={item.id: item for item in (FOX, BEAR, BEACH)})


def resolved(*captions: str, style: str = "") -> list[str]:
    return [item.text for item in resolve_all(captions, CAST, style)]


def test_the_first_mention_of_the_film_is_full() -> None:
    assert resolved("On $beach $fox waves.", "Now $fox is on $beach.") == [
        "On a beach a red fox waves.",
        "Now the same fox is on the same beach.",
    ]


def test_a_second_mention_in_one_caption_refers_back() -> None:
    assert resolved("Now $fox sees $fox.") == ["Now a red fox sees the same fox."]


def test_an_exclamation_mark_forces_the_look() -> None:
    assert resolved("So $fox.", "So $fox!.", "So $fox.") == ["So a red fox.", "So a red fox.", "So the same fox."]


def test_dollars() -> None:
    assert resolved("$$5, $$fox, $$$fox") == ["$5, $fox, $a red fox"]


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("$fox waves", "A red fox waves"),
        ("Wide shot. $fox waves", "Wide shot. A red fox waves"),
        ("Look! $fox waves", "Look! A red fox waves"),
        ("There, $fox waves", "There, a red fox waves"),
        ("$fox $old-bear", "A red fox an old bear"),
        ("$fox. $old-bear.", "A red fox. An old bear."),
    ],
)
def test_a_sentence_starts_with_a_capital(caption: str, text: str) -> None:
    assert resolved(caption) == [text]


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("So $old-bear-like", "So $old-bear-like"),
        ("So $old-bear's", "So an old bear's"),
        ("So $fox- and", "So a red fox- and"),
        ("So $fox,$beach", "So a red fox,a beach"),
        ("So $Fox", "So $Fox"),
    ],
)
def test_where_a_name_ends(caption: str, text: str) -> None:
    assert resolved(caption) == [text]


def test_style_is_a_separate_sentence() -> None:
    assert resolved("A fox", "A fox.", style="warm\n light") == ["A fox. warm light", "A fox. warm light"]


def test_white_space_is_folded() -> None:
    assert fold("  a\n b\t c\n") == "a b c"


def test_mentions_are_spans_of_the_text() -> None:
    (item,) = resolve_all(["Hm, $fox and  $old-bear on $beach, $fox."], CAST, "style")
    assert [(mention.id, mention.kind, mention.full) for mention in item.mentions] == [
        ("fox", "character", True),
        ("old-bear", "character", True),
        ("beach", "setting", True),
        ("fox", "character", False),
    ]
    words = [item.text[mention.start : mention.end] for mention in item.mentions]
    assert words == ["a red fox", "an old bear", "a beach", "the same fox"]


def test_resolved_captions_are_bounded() -> None:
    cast = Cast(declared={"fox": Character(id="fox", look="a " * 999 + "fox", again="it")})
    (item,) = resolve_all(["$fox! " * 1300], cast, "")
    assert isinstance(item, Resolved)
    assert MAX_RESOLVED < len(item.text) < 2 * MAX_RESOLVED


def test_default_again() -> None:
    assert default_again("old-bear") == "the same old bear"
