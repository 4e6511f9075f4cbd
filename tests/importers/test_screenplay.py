from __future__ import annotations

import pytest

from onestory_cli.importers import import_story
from onestory_cli.importers.fountain import parse, plain
from onestory_cli.story.load import read_story
from onestory_cli.story.text import Text


def kinds(content: str) -> list[tuple[str, str, int]]:
    return [(item.kind, item.text, item.line) for item in parse(Text.of("a.fountain", content)).elements]


def captions(content: str) -> list[str]:
    return [shot.caption for shot in import_story(content.encode(), "a.fountain").draft.shots]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("INT. HOUSE - DAY\nA fox.", [("heading", "INT. HOUSE - DAY", 1), ("action", "A fox.", 2)]),
        (".house", [("heading", "house", 1)]),
        ("...and then", [("action", "...and then", 1)]),
        ("MAYA\nHi.\nYou.", [("cue", "MAYA", 1), ("dialogue", "Hi. You.", 2)]),
        ("MAYA\nHi.\n  \nYou.\n\nA fox.", [("cue", "MAYA", 1), ("dialogue", "Hi. You.", 2), ("action", "A fox.", 6)]),
        ("MAYA\nHi.\n \nYou.", [("cue", "MAYA", 1), ("dialogue", "Hi.", 2), ("action", "You.", 4)]),
        ("~la la\n\nA fox.", [("note", "la la", 1), ("action", "A fox.", 3)]),
        ("@McAvoy\nHi.", [("cue", "McAvoy", 1), ("dialogue", "Hi.", 2)]),
        ("MAYA", [("action", "MAYA", 1)]),
        ("!MAYA\nHi.", [("action", "MAYA Hi.", 1)]),
        ("CUT TO:", [("transition", "CUT TO:", 1)]),
        ("> fade", [("transition", "fade", 1)]),
        (">The End<", [("action", "The End", 1)]),
        ("# One\n\n= Two\n\n===", [("section", "One", 1), ("synopsis", "Two", 3), ("page break", "", 5)]),
        ("The [[x\ny]] fox. /* b */", [("note", "x y", 1), ("boneyard", "b", 2), ("action", "The fox.", 1)]),
        ("A /* fox [[ b", [("action", "A /* fox [[ b", 1)]),
        ("\tA fox.", [("action", "A fox.", 1)]),
    ],
)
def test_elements(content: str, expected: list[tuple[str, str, int]]) -> None:
    assert sorted(kinds(content), key=str) == sorted(expected, key=str)


def test_emphasis() -> None:
    assert plain("_**a**_ *b* \\*c\\* d_e_f ***g***  * h") == "a b *c* d_e_f g * h"


def test_a_title_page_needs_a_known_key() -> None:
    assert parse(Text.of("a", "Title: A\n  B\nAuthor: C\n\nFox.")).title_page == {"title": "A B", "author": "C"}
    assert parse(Text.of("a", "FADE IN:\n\nFox.")).title_page == {}
    assert parse(Text.of("a", "\n\n")).title_page == {}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Maya runs.", "$maya runs."),
        ("MAYA'S hat.", "$maya'S hat."),
        ("Ask maya-like Maya-ish Maya!", "Ask maya-like Maya-ish Maya!"),
        ("Old Tom and Tom.", "$old-tom and Tom."),
        ("Maya (a girl (tall)) runs.", "$maya (a girl (tall)) runs."),
        ("$maya", "$$maya"),
    ],
)
def test_names_become_references(action: str, expected: str) -> None:
    cues = "\n\nMAYA\nHi.\n\nOLD TOM\nHi.\n"
    assert captions(action + cues)[0].startswith(expected)


def test_a_voice_is_not_seen() -> None:
    imported = import_story(b"A beach.\n\nTOM (V.O.)\nHi.\n", "a.fountain")
    assert imported.draft.characters == ()
    assert imported.draft.shots[0].caption == "A beach."
    assert imported.draft.shots[0].notes == {"x-dialogue": "Tom (V.O.): Hi."}


@pytest.mark.parametrize(
    ("heading", "look"),
    [
        ("INT. CAFÉ - NIGHT", "café at night, interior"),
        ("EXT. BEACH", "beach, exterior"),
        ("INT./EXT. CAR - CONTINUOUS", "car, interior and exterior"),
        ("I/E Car - Two Weeks Later", "Car, two weeks later, interior and exterior"),
        ("EXT. NEW YORK - ROOF - DAY", "new york - roof by day, exterior"),
        ("EXT. PIER -- DAWN", "pier at dawn, exterior"),
        (".somewhere", "somewhere"),
    ],
)
def test_headings_become_settings(heading: str, look: str) -> None:
    imported = import_story(f"{heading}\n\nA fox.".encode(), "a.fountain")
    assert [item.look for item in imported.draft.settings] == [look]


def test_a_place_in_any_script_is_one_setting() -> None:
    content = "EXT. 浜辺 - DAY\n\nA.\n\nEXT. 浜辺 - DAY\n\nB.\n\nEXT. 森\n\nC.\n\nEXT.\n\nD.\n"
    imported = import_story(content.encode(), "a.fountain")
    assert [item.id for item in imported.draft.settings] == ["by-day", "place"]
    assert [shot.id for shot in imported.draft.shots] == ["by-day-1", "by-day-2", "place-1", "shot-1"]
    assert read_story(imported.text.encode(), "film.story.yaml")[0].shots


def test_an_inline_note_belongs_to_its_paragraph_and_others_to_the_next() -> None:
    content = "INT. HUT [[warm]]\n\nA fire [[real?]]. [[or\nnot]]\n\n[[wide]]\n\nA fox.\n\nMAYA\nHi. [[soft]]\n"
    imported = import_story(content.encode(), "a.fountain")
    assert [shot.notes.get("note") for shot in imported.draft.shots] == ["warm\nreal?\nor not", "wide\nsoft"]
    assert "a note is kept as `note` (5 times)" in [item.message for item in imported.remarks]


def test_dialogue_before_any_action_shows_who_speaks() -> None:
    assert captions("INT. HUT\n\nMAYA\nHi.\n\nTOM\nHi.\n") == ["$maya speaks. $tom speaks. $hut."]


def test_extensions_and_relative_times_are_kept() -> None:
    content = "INT. HUT - CONTINUOUS\n\nA fire.\n\nMAYA (O.S.) (CONT'D) ^\nHi.\n\nTOM (CONT\u2019D)\nHo.\n"
    imported = import_story(content.encode(), "a.fountain")
    (shot,) = imported.draft.shots
    assert shot.notes == {"x-time": "continuous", "x-dialogue": "Maya (O.S., together): Hi.\nTom: Ho."}
    assert [item.look for item in imported.draft.settings] == ["hut, interior"]
    assert "a relative time is kept as `x-time`" in [item.message for item in imported.remarks]
