from __future__ import annotations

import pytest

from onestory_cli.importers import import_story
from onestory_cli.importers.draft import Draft
from onestory_cli.importers.fountain import parse, plain
from onestory_cli.story.load import read_story
from onestory_cli.story.text import Text


def kinds(content: str) -> list[tuple[str, str, int]]:
    return [(item.kind, item.text, item.line) for item in parse(Text.of("a.fountain", content)).elements]


def draft_of(content: str) -> Draft:
    return import_story(content.encode(), "a.fountain").draft


def captions(content: str) -> list[str]:
    return [shot.caption for shot in draft_of(content).shots]


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
        (">The End<", [("transition", "The End", 1)]),
        (">A Title<", [("action", "A Title", 1)]),
        ("# One\n\n= Two\n\n===", [("section", "One", 1), ("synopsis", "Two", 3), ("page break", "", 5)]),
        ("The [[x\ny]] fox. /* b */", [("note", "x y", 1), ("boneyard", "b", 2), ("action", "The fox.", 1)]),
        ("A /* fox", [("action", "A /* fox", 1)]),
        ("A [[fox\n\nB.", [("note", "fox", 1), ("action", "A", 1), ("action", "B.", 3)]),
        ("3 INT. HUT - DAY 3", [("heading", "INT. HUT - DAY", 1)]),
        ("12A. EXT. HUT\nA fox.", [("heading", "EXT. HUT", 1), ("action", "A fox.", 2)]),
        ("INT. ROOM 12 - DAY #4#", [("heading", "INT. ROOM 12 - DAY", 1)]),
        ("INNEN. KÜCHE - TAG", [("heading", "INNEN. KÜCHE - TAG", 1)]),
        ("Interior lights glow.", [("action", "Interior lights glow.", 1)]),
        ("I see a fox.", [("action", "I see a fox.", 1)]),
        ("TITLE CARD: One year later", [("title", "One year later", 1)]),
        ('SUPER: "Bern"', [("title", "Bern", 1)]),
        ("MAYA\nHi.\n(MORE)\nYou.", [("cue", "MAYA", 1), ("dialogue", "Hi. You.", 2)]),
        ("(CONTINUED)", [("continued", "(CONTINUED)", 1)]),
        ("\tA fox.", [("action", "A fox.", 1)]),
    ],
)
def test_elements(content: str, expected: list[tuple[str, str, int]]) -> None:
    assert sorted(kinds(content), key=str) == sorted(expected, key=str)


def test_emphasis() -> None:
    assert plain("_**a**_ *b* \\*c\\* d_e_f ***g***  * h") == "a b *c* d_e_f g * h"


@pytest.mark.parametrize(
    "line",
    [
        "FADE IN:", "FADE IN", "FADE OUT.", "FADE TO BLACK.", "MATCH CUT:", "MATCH CUT TO:", "SMASH CUT TO BLACK.",
        "DISSOLVE TO:", "WIPE TO:", "IRIS OUT.", "BLACK.", "THE END", "END OF ACT ONE", "INTERCUT WITH:", "BACK TO:",
    ],
)  # fmt: skip
def test_transitions(line: str) -> None:
    assert kinds(f"A fox.\n\n{line}\n\nA bear.")[1][0] == "transition"


def test_shouting_is_not_a_transition() -> None:
    assert [kind for kind, *_ in kinds("THE END OF THE PIER COLLAPSES.\n\nBLACK SMOKE EVERYWHERE.")] == ["action"] * 2


def test_a_title_page_has_a_known_key() -> None:
    assert parse(Text.of("a", "Title: A\n  B\nAuthor: C\n\nFox.")).title_page == {"title": "A B", "author": "C"}
    page = {"season": "2", "title": "A"}
    assert parse(Text.of("a", "Season: 2\nTitle: A\n\nFox.")).title_page == page
    assert parse(Text.of("a", "FADE IN:\n\nFox.")).title_page == {}
    assert parse(Text.of("a", "Note: x\n\nFox.")).title_page == {}
    assert parse(Text.of("a", "\n\n")).title_page == {}


def test_scene_numbers_are_not_part_of_the_place() -> None:
    imported = import_story(b"7 INT. HUT - DAY 7\n\nA fire.\n\n8 EXT. HUT #8#\n\nSmoke.\n", "a.fountain")
    assert [item.look for item in imported.draft.settings] == ["hut, interior", "hut, exterior"]
    assert "a scene number is dropped (2 times)" in [item.message for item in imported.remarks]


def test_a_byte_order_mark_is_skipped() -> None:
    assert import_story(b"\xef\xbb\xbfEXT. PARK - DAY\n\nA dog.\n", "a.fountain").draft.shots[0].id == "park-1"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("Maya runs.", "$maya runs."),
        ("MAYA'S hat.", "$maya'S hat."),
        ("Ask maya-like Maya-ish Maya!", "Ask maya-like Maya-ish Maya!"),
        ("Old Tom and Tom.", "$old-tom and Tom."),
        ("Maya (a girl (tall)) runs.", "$maya (a girl (tall)) runs."),
        ("This Maya, another Maya, poor Maya, a taller Maya.", "This Maya, another Maya, poor Maya, a taller Maya."),
        ("In the rain Maya runs.", "In the rain $maya runs."),
        ("Maya/Old Tom", "$maya/$old-tom"),
        ("$maya", "$$maya"),
    ],
)
def test_names_become_references(action: str, expected: str) -> None:
    cues = "\n\nMAYA\nHi.\n\nOLD TOM\nHi.\n"
    assert captions(action + cues)[0].startswith(expected)


def resolved(content: str) -> list[str]:
    text = import_story(content.encode(), "a.fountain").text
    return [shot.resolved_caption for shot in read_story(text.encode(), "film.story.yaml")[0].shots]


def looks(content: str) -> dict[str, str]:
    return {item.id: item.look for item in import_story(content.encode(), "a.fountain").draft.characters}


def test_sentences_with_names_stay_the_authors() -> None:
    words = "Mark the spot. Will he go? Grace, mark it. And Mark runs. All is well. A tall GUARD waits. The Guard nods."
    content = f"{words}\n\nMARK\nI?\n\nWILL\nNo.\n\nGRACE\nHm.\n\nALL\nGo!\n\nGUARD\nHalt.\n"
    assert resolved(content)[0].startswith(words.replace("The Guard nods", "A guard nods"))


def test_a_role_takes_its_article_along() -> None:
    content = "A COOK (50s) stirs. The Cook tastes. His Cook friend waits.\n\nCOOK\nSalt.\n\nThe Cook leaves."
    assert resolved(content) == [
        "A cook (50s) stirs. The same cook tastes. His Cook friend waits.",
        "The same cook leaves.",
    ]


@pytest.mark.parametrize(
    ("action", "look"),
    [
        ("ROSA LOPEZ (early 30s, grey braid) sits.", "Rosa Lopez (early 30s, grey braid)"),
        ("ROSA, a dark-haired woman, sits.", "Rosa, a dark-haired woman"),
        ("ROSA, 33, in a blue coat.", "Rosa, 33, in a blue coat"),
        ("ROSA sits at the bar (30s, tired).", "Rosa (30s, tired)"),
        ("ROSA (CONT'D) sits.", "Rosa"),
    ],
)
def test_looks_of_speakers(action: str, look: str) -> None:
    content = f"{action}\n\nROSA\nHi.\n\nRosa smiles.\n"
    assert looks(content) == {"rosa": look}
    assert resolved(content)[1] == "Rosa smiles."
    assert resolved(content)[0].startswith(look)


def test_a_silent_person_with_a_description_is_a_character() -> None:
    content = "A GIRL (9, red boots) finds a KEY (rusty) and a BOX, a small one.\n\nThe Girl runs. The key falls."
    assert looks(content) == {"girl": "a girl (9, red boots)"}
    assert resolved(content) == [
        "A girl (9, red boots) finds a KEY (rusty) and a BOX, a small one.",
        "The same girl runs. The key falls.",
    ]


@pytest.mark.parametrize("mark", ["V.O.", "VO", "v/o", "Voice-over", "O.S.", "os", "OFF", "OFF-SCREEN", "on TV"])
def test_a_voice_is_a_character_that_is_not_seen(mark: str) -> None:
    imported = import_story(f"A beach.\n\nTOM ({mark})\nHi.\n".encode(), "a.fountain")
    assert [item.id for item in imported.draft.characters] == ["tom"]
    assert imported.draft.shots[0].caption == "A beach."
    assert imported.draft.shots[0].subtitle == "Tom: Hi."
    assert imported.draft.shots[0].notes == {"x-dialogue": f"Tom ({mark}): Hi."}


def test_a_voice_over_of_a_hero_who_is_seen() -> None:
    content = "LENA (20, curls) swims.\n\nLENA (V.O.)\nI knew.\n\nLena dives."
    assert resolved(content) == ["Lena (20, curls) swims.", "Lena dives."]


def test_two_speakers_in_one_cue() -> None:
    assert captions("A hut.\n\nMAYA AND TOM\nNo!\n") == ["A hut. $maya speaks. $tom speaks."]


def test_apostrophes_of_both_kinds_are_one_name() -> None:
    assert looks("O’NEIL (40s) nods. O'Neil sits.\n\nO'NEIL\nHi.\n") == {"oneil": "O’Neil (40s)"}


@pytest.mark.parametrize(
    ("heading", "look", "ending"),
    [
        ("INT. CAFÉ - NIGHT", "café, interior", "$cafe, at night."),
        ("EXT. BEACH", "beach, exterior", "$beach."),
        ("INT./EXT. CAR - CONTINUOUS", "car, interior and exterior", "$car."),
        ("EXT./INT. CAR", "car, interior and exterior", "$car."),
        ("INT. / EXT. CAR", "car, interior and exterior", "$car."),
        ("I./E. CAR", "car, interior and exterior", "$car."),
        ("I/E Car - Two Weeks Later", "Car, interior and exterior", "$car."),
        ("EXT. NEW YORK - ROOF - DAY", "new york - roof, exterior", "$new-york-roof, by day."),
        ("EXT. PIER -- DAWN", "pier, exterior", "$pier, at dawn."),
        ("INT. PIER, NIGHT", "pier, interior", "$pier, at night."),
        ("AUSSEN. HAFEN - NACHT", "hafen, exterior", "$hafen, at night."),
        ("INTÉRIEUR GARE - JOUR", "gare, interior", "$gare, by day."),
        (".somewhere", "somewhere", "$somewhere."),
    ],
)
def test_headings_become_settings(heading: str, look: str, ending: str) -> None:
    imported = import_story(f"{heading}\n\nA fox.".encode(), "a.fountain")
    assert [item.look for item in imported.draft.settings] == [look]
    assert imported.draft.shots[0].caption == f"A fox. {ending}"


def test_day_night_and_continuous_are_one_setting() -> None:
    scenes = ["INT. HUT - NIGHT", "EXT. LAKE - DAY", "INT. HUT - CONTINUOUS", "INT. HUT - DAY", "EXT. HUT - SAME"]
    imported = import_story("\n\nA fox.\n\n".join([*scenes, ""]).encode(), "a.fountain")
    assert [(item.id, item.again) for item in imported.draft.settings] == [
        ("hut", "the same hut interior"),
        ("lake", "the same lake"),
        ("hut-exterior", "the same hut exterior"),
    ]
    assert [shot.caption.removeprefix("A fox. ") for shot in imported.draft.shots] == [
        "$hut, at night.",
        "$lake, by day.",
        "$hut, at night.",
        "$hut, by day.",
        "$hut-exterior, by day.",
    ]


def test_a_place_in_any_script_is_one_setting() -> None:
    content = "EXT. 浜辺 - DAY\n\nA.\n\nEXT. 浜辺 - NIGHT\n\nB.\n\nEXT. 森\n\nC.\n\nEXT.\n\nD.\n"
    imported = import_story(content.encode(), "a.fountain")
    assert [item.id for item in imported.draft.settings] == ["place", "place-2"]
    assert [shot.id for shot in imported.draft.shots] == ["place-1", "place-2", "place-2-1", "shot-1"]
    assert read_story(imported.text.encode(), "film.story.yaml")[0].shots


def test_an_inline_note_belongs_to_its_paragraph_and_others_to_the_next() -> None:
    content = "INT. HUT [[warm]]\n\nA fire [[real?]]. [[or\nnot]]\n\n[[wide]]\n\nA fox.\n\nMAYA\nHi. [[soft]]\n"
    imported = import_story(content.encode(), "a.fountain")
    assert [shot.notes.get("note") for shot in imported.draft.shots] == ["warm\nreal?\nor not", "wide\nsoft"]
    assert "a note is kept as `note` (5 times)" in [item.message for item in imported.remarks]


def test_dialogue_before_any_action_shows_who_speaks() -> None:
    assert captions("INT. HUT\n\nMAYA\nHi.\n\nTOM\nHi.\n") == ["$maya speaks. $tom speaks. $hut."]


def test_extensions_and_relative_times_are_kept() -> None:
    content = "INT. HUT - CONTINUOUS\n\nA fire.\n\nMAYA (O.S.) (CONT'D) ^\nHi.\n\nTOM (CONT\u2019D)\n(low)\nHo.\n"
    imported = import_story(content.encode(), "a.fountain")
    (shot,) = imported.draft.shots
    assert shot.notes == {"x-time": "continuous", "x-dialogue": "Maya (O.S., together): Hi.\nTom: (low) Ho."}
    assert shot.subtitle == "Maya: Hi.\nTom: Ho."
    assert [item.look for item in imported.draft.settings] == ["hut, interior"]
    assert "a relative time is kept as `x-time`" in [item.message for item in imported.remarks]


def test_long_dialogue_is_a_note() -> None:
    (shot,) = import_story(f"A hut.\n\nTOM\n{'word ' * 250}\n".encode(), "a.fountain").draft.shots
    assert shot.subtitle == ""
    assert shot.notes["x-dialogue"].startswith("Tom: word word")


def test_an_unclosed_note_ends_at_an_empty_line_and_is_reported() -> None:
    imported = import_story(b"A hut. [[blue?\n\nA fox.\n\nINT. HUT\n\nA fire.\n", "a.fountain")
    assert [shot.caption for shot in imported.draft.shots] == ["A hut.", "A fox.", "A fire. $hut."]
    assert imported.draft.shots[0].notes == {"note": "blue?"}
    assert any("an unclosed note" in item.message for item in imported.remarks)


def test_page_is_a_minute() -> None:
    line = "a" * 60
    action = "".join(f"{line}\n\n" for _ in range(27))  # 54 lines with the empty ones
    shots = draft_of(f"INT. BARN - DAY\n\n{action}").shots
    assert sum(shot.seconds or 0 for shot in shots) == pytest.approx(60, abs=8)
    assert all(shot.estimated for shot in shots)


@pytest.mark.parametrize(
    ("action", "look"),
    [
        ("MAYA, AGE 3, sings.", "Maya, age 3"),
        ("MAYA, also 10, is late.", "Maya, 10"),
        ("Red-haired MAYA is 12.", "Maya, 12, red-haired"),
        ("A tall woman named MAYA sings.", "Maya, a tall woman"),
        ("MAYA, retired detective, is asleep.", "Maya, retired detective"),
        ("MAYA, her former partner, comes in.", "Maya, her former partner"),
    ],
)
def test_looks_around_a_name(action: str, look: str) -> None:
    draft = draft_of(f"INT. BARN - DAY\n\n{action}\n\nMAYA\nHello.\n")
    assert [item.look for item in draft.characters] == [look]


def test_heading_of_a_time_keeps_the_place() -> None:
    draft = draft_of("INT. BARN - NIGHT\n\nDust.\n\n.LATER\n\nRain.\n")
    assert [item.look for item in draft.settings] == ["barn, interior"]
    assert [shot.caption for shot in draft.shots] == ["Dust. $barn, at night.", "Rain. $barn, at night."]
    assert draft.shots[1].notes == {"x-time": "later"}


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("LATER", "at night"),
        ("A BIT LATER", "at night"),
        ("TWO DAYS LATER", "at night"),
        ("THE NEXT MORNING", "in the morning"),
    ],
)
def test_relative_times_after_a_comma_are_not_part_of_the_place(time: str, words: str) -> None:
    draft = draft_of(f"INT. BARN - NIGHT\n\nDust.\n\nINT. BARN, {time}\n\nRain.\n")
    assert [item.look for item in draft.settings] == ["barn, interior"]
    assert draft.shots[1].caption == f"Rain. $barn, {words}."


def test_centred_text_is_not_a_cue() -> None:
    assert draft_of("INT. BARN - DAY\n\n> MAYA BERG <\n> THE FILM <\n").characters == ()


def test_a_noun_before_a_name_is_its_look() -> None:
    action = (
        "Mia sits with his 7 year-old son, MATTHEW. An old dog. He is with an even larger man, MIKE. His wife, KATE."
    )
    draft = draft_of(f"INT. ROOM - DAY\n\n{action}\n\nMATTHEW\nHi.\n\nMIKE\nHi.\n\nKATE\nHi.\n")
    assert {item.id: item.look for item in draft.characters if not item.why} == {
        "matthew": "Matthew, a 7 year-old son",
        "mike": "Mike, an even larger man",
    }
