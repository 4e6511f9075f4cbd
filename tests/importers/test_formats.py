"""Every format: the source becomes the expected story, which has no findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.commands.import_story import Source
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
    assert formats == set(FORMATS) == {item.value for item in Source}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.txt", "EXT. BEACH\n\nA fox.\n", "I701"),
        ("a.json", "[1]", "I701"),
        ("a.json", "{}", "I701"),
        ("a.json", '{"scenes": [{}, 7]}', "I701"),
        ("a.csv", "json_path\na.json\n", "I704"),
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
        ("a.json", '{"global_caption": "' + "a" * 2001 + '", "shot1": "a"}', "I703"),
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
        "the prompt is empty (2 times, first at scenes[0].video_prompts[0])",
        "expected a map (scenes[1])",
        '"video_prompts" is missing (scenes[2])',
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
    assert story.shots[0].resolved_caption == "$fox: # a - b | {c} *d &e !f $5 $$"


def test_the_file_name_is_escaped() -> None:
    name = "a\n'\"\\: \x1b[31m {b}.json"
    text = import_story(b'{"prompts": ["a"]}', name).text
    story, _ = read_story(text.encode(), "film.story.yaml")
    assert "\x1b" not in text
    assert story.title.startswith("a '")
