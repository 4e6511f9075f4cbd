"""Every format: the source becomes the expected story, which has no findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.commands.import_story import SOURCE_FORMATS
from onestory_cli.errors import Findings, OnestoryError, format_concise
from onestory_cli.importers import FORMATS, import_story
from onestory_cli.importers.formats import MAX_SOURCE_BYTES
from onestory_cli.story.load import read_story

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "sources").iterdir())
NUMBER = {".jsonl": 1}


def imported_text(source: Path) -> str:
    """The story of a source, followed by the report."""
    imported = import_story(source.read_bytes(), source.name, number=NUMBER.get(source.suffix))
    report = [format_concise(item) for item in imported.remarks]
    return imported.text + "".join(f"# {line}\n" for line in report)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_expected_stories(source: Path, golden: Callable[[Path, str], None]) -> None:
    golden(HERE / "expected" / f"{source.stem}.story.yaml", imported_text(source))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_imported_stories_have_no_findings(source: Path) -> None:
    imported = import_story(source.read_bytes(), source.name, number=NUMBER.get(source.suffix))
    story, warnings = read_story(imported.text.encode(), "film.story.yaml")
    assert {item.code for item in warnings} <= {"W302"}  # characters that are only heard
    assert [shot.id for shot in story.shots] == [shot.id for shot in imported.draft.shots]
    assert story.title == imported.draft.title


def test_every_format_has_a_source_and_an_option() -> None:
    formats = {import_story(path.read_bytes(), path.name, number=NUMBER.get(path.suffix)).format for path in SOURCES}
    assert formats | {"xlsx"} == set(FORMATS)
    assert tuple(FORMATS.builtin) == SOURCE_FORMATS


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.dat", "EXT. BEACH\n\nA fox.\n", "I701"),
        ("a.json", "[1]", "I702"),
        ("a.json", "7", "I701"),
        ("a.json", "{}", "I701"),
        ("a.json", '{"scenes": [{}, 7]}', "I701"),
        ("a.json", '{"scenes": [{"shots": 7}]}', "I701"),
        ("a.json", '{"scenes": [{"video_prompts": 7}]}', "I702"),
        ("a.csv", "json_path\na.json\n", "I702"),
        ("a.csv", "", "S112"),
        ("a.tsv", "caption\n\n", "I702"),
        ("a.xlsx", "not a workbook", "I702"),
        ("a.fdx", "<FinalDraft>", "I702"),
        ("a.fdx", '<!DOCTYPE a [<!ENTITY b "c">]><FinalDraft/>', "I702"),
        ("a.md", "# Title\n", "I702"),
        ("a.txt", " \n", "S112"),
        ("a.otio", '{"OTIO_SCHEMA": "Timeline.1", "tracks": 7}', "I702"),
        ("a.storyboarder", '{"boards": []}', "I702"),
        ("a.jsonl", '{"prompts": ["a"]}\n{"prompts": ["b"]}\n', "I704"),
        ("a.json", "", "S112"),
        ("a.json", "\ufeff{}", "I701"),
        ("a.json", '{"prompts": ["\u202e"]}', "S103"),
        ("a.json", '{"prompts": "a" "b"}', "I702"),
        ("a.json", '{"prompts": ["a"], "prompts": ["b"]}', "I702"),
        ("a.json", '{"prompts": [7]}', "I702"),
        ("a.json", '{"prompts": []}', "I702"),
        ("a.json", '{"prompts": [" "]}', "I702"),
        ("a.json", '{"prompts": ["a"], "x": NaN}', "I702"),
        ("a.json", '{"prompts": ["a"], "x": 1' + "0" * 5000 + "}", "I702"),
        ("a.json", '{"prompts": ["\\u202e"]}', "I702"),
        ("a.json", '{"prompts": ["\\ud800"]}', "I702"),
        ("a.json", '{"prompts": ["a"], "x": ' + "[" * 40 + "]" * 40 + "}", "I702"),
        ("a.json", '{"prompts": ["a"], "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "I702"),
        ("a.json", '{"prompts": ["' + "a" * 8001 + '"]}', "I703"),
        ("a.json", json.dumps({"prompts": ["a"] * 5001}), "I703"),
        ("a.json", '{"global_caption": "' + "a" * 8001 + '", "shot1": "a"}', "I703"),
        ("a.json", '{"story_name": "' + "a" * 201 + '", "scenes": [{"video_prompts": ["a"]}]}', "I703"),
        ("a.json", " " * MAX_SOURCE_BYTES + "{}", "I703"),
        ("a.fountain", "INT. HOUSE\n", ""),
        ("a.fountain", "/* nothing */", "I702"),
        ("a.fountain", "A fox.\n\n" * 5000, ""),
        ("a.fountain", "A fox.\n\n" * 5001, "I703"),
        ("a.fountain", "".join(f"FOX {n}\nHi.\n\n" for n in range(2001)), "I703"),
        ("a.fountain", "".join(f"INT. A{n}\n\n" for n in range(2001)), "I703"),
    ],
)
def test_refused_sources(name: str, content: str, code: str) -> None:
    if not code:
        assert import_story(content.encode(), name).draft.shots
        return
    with pytest.raises(OnestoryError) as caught:
        import_story(content.encode(), name)
    assert caught.value.code == code
    assert caught.value.help


def test_all_errors_are_reported_at_once() -> None:
    data = b'{"scenes": [{"video_prompts": [1, ""], "cut": [0]}, [], {"x": 1}]}'
    with pytest.raises(Findings) as caught:
        import_story(data, "a.json", format="storymem")
    assert [item.message for item in caught.value.diagnostics] == [
        "expected text (scenes[0].video_prompts[0])",
        "expected true or false (scenes[0].cut[0])",
        "expected a map (scenes[1])",
        '"video_prompts" is missing (scenes[2])',
        "the prompt is empty (2 times, first at scenes[0].video_prompts[0])",
        '"x" is dropped (scenes[2].x)',
    ]


def test_a_story_of_many_is_chosen_by_its_number() -> None:
    data = b'{"prompts": ["a"]}\n\n{"prompts": ["b", "c"]}\n'
    assert len(import_story(data, "a.jsonl", number=2).draft.shots) == 2
    for number in (0, 3, -1):
        with pytest.raises(OnestoryError, match="2 stories"):
            import_story(data, "a.jsonl", number=number)


def test_an_error_in_a_later_line_has_its_place() -> None:
    with pytest.raises(Findings) as caught:
        import_story(b'{"prompts": ["a"]}\n{"prompts": [}\n', "a.jsonl", number=2)
    place = caught.value.diagnostics[0].place
    assert place
    assert (place.line, place.column) == (2, 14)


def test_special_characters_are_escaped() -> None:
    text = import_story(b'{"prompts": ["$fox: # a\\n- b | {c} *d &e !f $5 $$"]}', "a.json").text
    story, _ = read_story(text.encode(), "film.story.yaml")
    assert story.shots[0].resolved_caption == "$fox: # a. - b | {c} *d &e !f $5 $$"


def test_the_file_name_is_escaped() -> None:
    name = "a\n'\"\\: \x1b[31m {b}.json"
    text = import_story(b'{"prompts": ["a"]}', name).text
    story, _ = read_story(text.encode(), "film.story.yaml")
    assert "\x1b" not in text
    assert story.title.startswith("a '")


@pytest.mark.parametrize(
    ("name", "content", "format", "reason"),
    [
        ("a.json", '["A fox walks.", "A fox runs."]', "echoshot", "a list of captions"),
        ("a.json", '[{"caption": "A fox walks."}, {"caption": "A fox runs."}]', "echoshot", "a list of captions"),
        ("a.json", '{"shot_captions": ["A fox walks.", "A fox runs."]}', "holocine", 'the key "shot_captions"'),
        ("a.json", '{"prompts": ["A fox walks.", "A fox runs."]}', "memflow", 'the key "prompts"'),
        ("a.fountain", "A fox walks.\n\nA fox runs.", "fountain", "the suffix .fountain"),
    ],
)
def test_the_guess_is_named(name: str, content: str, format: str, reason: str) -> None:
    imported = import_story(content.encode(), name)
    assert (imported.format, imported.reason) == (format, reason)
    assert [shot.caption for shot in imported.draft.shots] == ["A fox walks.", "A fox runs."]
    assert import_story(content.encode(), name, format=format).reason == ""


@pytest.mark.parametrize("key", ["shot_captions", "shot1"])
def test_a_global_caption_comes_before_every_shot(key: str) -> None:
    shots = {key: ["She waves."]} if key == "shot_captions" else {key: "She waves."}
    imported = import_story(json.dumps({"global_caption": "A girl on a beach", **shots}).encode(), "a.json")
    assert [shot.caption for shot in imported.draft.shots] == ["A girl on a beach She waves."]
    long = import_story(json.dumps({"global_caption": "word " * 420, **shots}).encode(), "a.json")
    assert len(long.draft.shots[0].caption) > 2000


@pytest.mark.parametrize(
    ("content", "column"),
    [('{"prompts":["a \\ud83d\\ude00","b \\ud83e x"]}', 33), ('{"prompts":["a\\\\u0007", "b\\u0007"]}', 27)],
)
def test_a_bad_character_has_its_place(content: str, column: int) -> None:
    with pytest.raises(Findings) as caught:
        import_story(content.encode(), "a.json")
    place = caught.value.diagnostics[0].place
    assert place
    assert (place.line, place.column) == (1, column)


def test_line_breaks_of_prompts_end_sentences() -> None:
    data = json.dumps({"prompts": ["Wide shot\nA fox walks.\n\nIt stops", "A fox,\nred"]}).encode()
    assert [shot.caption for shot in import_story(data, "a.json").draft.shots] == [
        "Wide shot. A fox walks. It stops",
        "A fox, red",
    ]


def test_a_missing_cut_keeps_the_memory() -> None:
    data = json.dumps({"scenes": [{"video_prompts": ["A fox.", "It runs."], "cut": [True, False]}]}).encode()
    imported = import_story(data, "a.json")
    assert "    cut: false\n" in imported.text
    assert "memory" not in imported.text.split("shots:")[1]
    assert imported.counts["shots without a cut"] == 1
    assert imported.counts["kept as notes"] == 0


def test_the_first_shot_of_a_later_scene_can_lack_a_cut() -> None:
    scenes = [{"video_prompts": ["A fox.", "It runs."], "cut": cut} for cut in ([False, False], [False, True])]
    imported = import_story(json.dumps({"scenes": scenes}).encode(), "a.json")
    assert [shot.continues for shot in imported.draft.shots] == [False, True, True, False]
    assert imported.counts["shots without a cut"] == imported.text.count("cut: false") == 2


ENTITIES = {
    "story_name": "T",
    "_name_map": {"Character 1": "Bo-ra", "Location 1": "The Glass Lobby", "Object 1": "the tin cup"},
    "entity_descriptions": {
        "Character 1": {"name": "Bo-ra", "description": "Woman in a grey coat."},
        "Location 1": {"name": "The Glass Lobby", "description": "Bright hall with glass walls."},
        "Object 1": {"name": "the tin cup", "description": "Small cup."},
    },
    "entity_schedule": {"1:1": {"characters": ["Bo-ra"], "places": ["The Glass Lobby"]}, "1:2": {"places": [
        "The Glass Lobby"]}},
    "scenes": [{
        "scene_num": 1,
        "video_prompts": [
            "Bo-ra: Woman in a grey coat.\nthe tin cup: Small cup.\n\nIn The Glass Lobby, Bo-ra holds the tin cup.",
            "Close-up of Bo-ra's hand.",
        ],
        "cut": [True, False],
    }],
}  # fmt: skip


def test_listed_characters_and_places_become_references() -> None:
    imported = import_story(json.dumps(ENTITIES).encode(), "a.json")
    assert [shot.caption for shot in imported.draft.shots] == [
        "In $the-glass-lobby, $bo-ra holds the tin cup. the tin cup: Small cup.",
        "Close-up of $bo-ra's hand. $the-glass-lobby.",
    ]
    assert [item.look for item in imported.draft.characters] == ["Bo-ra, a woman in a grey coat"]
    assert [item.look for item in imported.draft.settings] == ["The Glass Lobby, bright hall with glass walls"]
    story, warnings = read_story(imported.text.encode(), "film.story.yaml")
    assert warnings == ()
    assert story.shots[1].resolved_caption == "Close-up of Bo-ra's hand. The Glass Lobby."


def test_a_described_name_in_three_prompts_is_a_character() -> None:
    prompts = ["The old Mia, a tall girl with red hair, runs.", "Then Mia waves at Tom.", "A dog bites Mia. And Tom."]
    imported = import_story(json.dumps({"prompts": prompts}).encode(), "a.json")
    assert [(item.id, item.look) for item in imported.draft.characters] == [("mia", "Mia, a tall girl with red hair")]
    text = imported.text
    assert [shot.resolved_caption for shot in read_story(text.encode(), "film.story.yaml")[0].shots] == prompts


def test_looks_come_from_texts_of_first_frames() -> None:
    shots = [
        {"shot_id": 1, "first_frame": "A bar. Ola (50s, bald) sits.", "video_prompt": "In the bar Ola drinks."},
        {"shot_id": 2, "first_frame": "", "video_prompt": "A car stops and Ola gets out."},
        {"shot_id": 3, "first_frame": "", "video_prompt": "At night, Ola sleeps."},
    ]
    imported = import_story(json.dumps({"scenes": [{"scene_num": 1, "shots": shots}]}).encode(), "a.json")
    assert [(item.id, item.look) for item in imported.draft.characters] == [("ola", "Ola (50s, bald)")]
    assert imported.draft.shots[1].caption == "A car stops and $ola gets out."
