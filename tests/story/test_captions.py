from __future__ import annotations

import pytest

from onestory_cli.story.captions import MAX_RESOLVED, Cast, Resolved, fold, mentions_in, resolve_all, with_full_looks
from onestory_cli.story.types import Character, Mention, Setting, Shot
from tests.story.conftest import Read

FOX = Character(id="fox", look="a red fox", again="the same fox")
BEAR = Character(id="old-bear", look="an old bear", again="the same old bear")
BEACH = Setting(id="beach", look="a beach", again="the same beach")
CAST = Cast(declared={item.id: item for item in (FOX, BEAR, BEACH)})


def resolved(*captions: str, style: str = "") -> list[str]:
    return [item.text for item in resolve_all([(caption, False) for caption in captions], CAST, style)]


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
    (item,) = resolve_all([("Hm, $fox and  $old-bear on $beach, $fox.", False)], CAST, "style")
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
    (item,) = resolve_all([("$fox! " * 1300, False)], cast, "")
    assert isinstance(item, Resolved)
    assert MAX_RESOLVED < len(item.text) < 2 * MAX_RESOLVED


def test_a_full_caption_is_resolved_as_if_it_were_the_first() -> None:
    captions = [("$fox waves.", False), ("$fox sees $old-bear and $fox.", True), ("$fox and $old-bear.", False)]
    assert [item.text for item in resolve_all(captions, CAST, "")] == [
        "A red fox waves.",
        "A red fox sees an old bear and the same fox.",
        "The same fox and the same old bear.",
    ]


def test_with_full_looks_keeps_a_caption_that_has_them() -> None:
    first = Shot(id="a", caption="$fox waves.", resolved_caption="edited")
    assert with_full_looks(first, [FOX], "") is first


def test_mentions_in_a_caption_of_either_mode() -> None:
    mention = Mention(id="fox", kind="character", full=False, start=0, end=12)
    later = Shot(id="b", caption="$fox jumps.", resolved_caption="The same fox jumps.", mentions=(mention,))
    assert mentions_in("The same fox jumps.", later, [FOX], "") == (mention,)
    assert [(item.full, item.end) for item in mentions_in("A red fox jumps.", later, [FOX], "")] == [(True, 9)]
    assert mentions_in("A blue fox jumps.", later, [FOX], "") == ()


def test_captions_can_be_set_for_all_shots_and_for_one(read: Read) -> None:
    story = read("""
    defaults: {captions: full}
    characters: {fox: {look: a red fox}}
    shots:
      - {id: a, caption: $fox waves.}
      - {id: b, caption: $fox jumps.}
      - {id: c, caption: $fox sits., captions: referential}
    """)
    assert [shot.resolved_caption for shot in story.shots] == [
        "A red fox waves.",
        "A red fox jumps.",
        "The same fox sits.",
    ]
    assert [shot.captions for shot in story.shots] == ["full", "full", "referential"]


def test_the_default_again_comes_from_the_look(read: Read) -> None:
    story = read("""
    characters: {hero: {look: a red fox with a scarf}, maya: {look: 'Maya, a tall girl'}}
    shots: [{id: a, caption: $hero meets $maya.}, {id: b, caption: $hero and $maya wave.}]
    """)
    assert story.shots[1].resolved_caption == "The same fox and Maya wave."
