"""Ids are found wherever they are written, completion works in broken YAML, and edits change nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from onestory_cli.lsp.completion import complete
from onestory_cli.lsp.document import StoryDocument, key_path
from onestory_cli.lsp.navigation import fixes, hover, lenses, rename
from tests.commands.conftest import film_run, story

__all__ = ["film_run", "story"]  # fixtures

STORY = """\
story: 1
title: Kite
model: storyworld
characters:
  fox:
    look: a red fox with a blue scarf
settings:
  beach: {look: a beach}
shots:
  - id: opening
    caption: Wide shot. $fox walks right on $beach.
  - id: return
    caption: |
      Close-up. $fox! waves. $beach.
    memory: {from: [opening]}
"""


def document(text: str = STORY, path: Path = Path("film.story.yaml")) -> StoryDocument:
    return StoryDocument(path, text)


def at(text: str, before: str, nth: int = 0) -> int:
    """The offset after the nth `before` in a text."""
    position = -1
    for _ in range(nth + 1):
        position = text.index(before, position + 1)
    return position + len(before)


def test_a_good_story_has_no_findings() -> None:
    assert document().analysis.findings == ()


def test_ids_are_found_where_they_are_declared_and_mentioned() -> None:
    found = document()
    for place in (at(STORY, "$fo"), at(STORY, "  fo"), at(STORY, "$fo", 1)):
        symbol = found.symbol_at(place)
        assert symbol is not None
        assert [STORY[item.start : item.end] for item in found.same(symbol)] == ["fox"] * 3
    shot = found.symbol_at(at(STORY, "from: [open"))
    assert shot is not None
    assert [(item.declares, STORY[item.start : item.end]) for item in found.same(shot)] == [
        (True, "opening"),
        (False, "opening"),
    ]


def test_findings_of_all_levels_come_at_once() -> None:
    text = STORY.replace("$beach.", "$beech.").replace("title: Kite", "title: Kite\nfsp: 8")
    assert {finding.code for finding in document(text).analysis.findings} >= {"S104"}
    assert len(document(text).analysis.findings) >= 2


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("\n    caption: Wide shot. $", {"fox", "beach"}),
        ("\n    caption: Wide shot. $f", {"fox", "beach"}),
        ("\n    memory: {policy: ", {"adaptive", "recent", "none"}),
        ("\n    memory: {from: [", {"opening", "return"}),
        ("\n    ", {"caption: ", "seed: ", "image: "}),
        ("\n    memory:\n      ", {"frames: ", "budget: ", "policy: "}),
    ],
)
def test_completion_in_a_new_shot(typed: str, expected: set[str]) -> None:
    text = f"{STORY}  - id: last{typed}"
    found = document()
    found.update(text)
    assert {item.text for item in complete(found, len(text))} >= expected


def test_completion_of_the_model() -> None:
    text = "story: 1\nmodel: wan"
    found = {item.text: item.typed for item in complete(document(text), len(text))}
    assert found["storyworld"] == 3


def test_key_paths_need_no_valid_yaml() -> None:
    text = "shots:\n  - id: a\n    memory: {from: [\n  - id: b\n    memory:\n      po"
    assert key_path(text, len(text)) == ("shots", "*", "memory")
    assert key_path(text, text.index("memory")) == ("shots", "*")
    assert key_path("defaults:\n  st", 13) == ("defaults",)


def test_hover_shows_looks_captions_and_keys() -> None:
    found = document()
    assert "a red fox with a blue scarf" in hover(found, at(STORY, "$fo"))
    assert "The model reads: Wide shot. A red fox" in hover(found, at(STORY, "id: open")).replace(
        "a red fox", "A red fox"
    )
    assert "memory" in hover(found, at(STORY, "    memo"))
    assert hover(found, at(STORY, "walks ri")) == ""


def test_hover_shows_what_the_accepted_take_remembered(film_run: Path) -> None:
    story = Path("film.story.yaml")
    text = story.read_text()
    shown = hover(document(text, story), at(text, "id: ret"))
    assert "Kept, 1 take" in shown
    assert "Remembered: " in shown
    picture, clip = (Path(url2pathname(urlsplit(url).path)) for url in re.findall(r"\((file:.*?)\)", shown))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert clip.name == "clip.mp4"
    assert clip.exists()


def test_keys_of_a_map_on_one_line_are_completed() -> None:
    text = STORY.replace("memory: {from: [opening]}", "memory: {fr")
    found = document()
    found.update(text)
    words = [item.text for item in complete(found, at(text, "memory: {fr"))]
    assert "from: " in words
    assert "caption: " not in words


def test_words_that_the_model_knows_are_completed_in_captions() -> None:
    text = STORY.replace("Close-up. $fox! waves.", "Close-up. $fox! wa")
    found = document()
    found.update(text)
    words = [item.text for item in complete(found, at(text, "$fox! wa"))]
    assert "waves" in words
    assert all(word.startswith("wa") for word in words)
    assert complete(found, at(text, "Wide shot. ")) == []


def test_errors_of_all_levels_are_reported_at_once() -> None:
    text = STORY.replace("right on $beach.", "right on $beech.").replace("from: [opening]", "frames: many")
    text = text.replace("  - id: return", "  - id: return\n    frames: 80")
    codes = {item.code for item in document(text).analysis.findings}
    assert {"S104", "S122", "S212"} <= codes


def test_a_suggestion_is_one_edit() -> None:
    text = STORY.replace("right on $beach.", "right on $beech.")
    found = document(text)
    offset = at(text, "$beec")
    (fix,) = [fix for fix in fixes(found, offset, offset) if fix.finding]
    assert text[: fix.start] + fix.text + text[fix.end :] == STORY


def test_the_full_look_is_one_character() -> None:
    offset = at(STORY, "$fo")
    (fix,) = fixes(document(), offset, offset)
    assert (fix.text, STORY[fix.start - 4 : fix.start]) == ("!", "$fox")
    assert [*fixes(document(), at(STORY, "$fox!") - 2, at(STORY, "$fox!") - 2)] == []


def test_rename_changes_every_place_and_nothing_else() -> None:
    found = document()
    symbol = found.symbol_at(at(STORY, "$fo"))
    assert symbol is not None
    text = STORY
    for fix in sorted(rename(found, symbol, "vixen"), key=lambda item: -item.start):
        text = text[: fix.start] + fix.text + text[fix.end :]
    assert text == STORY.replace("$fox", "$vixen").replace("  fox:", "  vixen:")
    with pytest.raises(ValueError, match="taken"):
        rename(found, symbol, "beach")
    with pytest.raises(ValueError, match="not an id"):
        rename(found, symbol, "The Fox")


def test_without_a_run_there_are_no_lenses(tmp_path: Path) -> None:
    assert lenses(document(path=tmp_path / "film.story.yaml")) == []


@pytest.mark.parametrize("text", ["", "a", "shots: [", "\t", "story: 1\nshots:\n  - $", "[]", "null", "characters: 3"])
def test_broken_texts_are_answered(text: str) -> None:
    found = document(text)
    for offset in range(len(text) + 1):
        complete(found, offset)
        hover(found, offset)
        assert [*fixes(found, offset, offset)] == []
    assert found.analysis.findings


def test_included_ids_are_known_and_lead_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "cast.yaml").write_text("characters:\n  fox: {look: a red fox}\n")
    text = STORY.replace("characters:\n  fox:\n    look: a red fox with a blue scarf\n", "include: [cast.yaml]\n")
    found = document(text, tmp_path / "film.story.yaml")
    assert found.analysis.findings == ()
    symbol = found.symbol_at(at(text, "$fo"))
    assert symbol is not None
    place = found.declared_in(symbol)
    assert place is not None
    assert (place.path, place.line, place.column) == (str(tmp_path / "cast.yaml"), 2, 3)
    assert "a red fox" in hover(found, at(text, "$fo"))
    with pytest.raises(ValueError, match="declared in"):
        rename(found, symbol, "vixen")


def test_finding_in_an_included_file_is_shown_at_its_entry(tmp_path: Path) -> None:
    (tmp_path / "cast.yaml").write_text("characters:\n  fox: {lok: a red fox}\n")
    text = "story: 1\ntitle: Kite\ninclude: [cast.yaml]\nshots: [{id: a, caption: A beach.}]\n"
    found = document(text, tmp_path / "film.story.yaml")
    places = [item.place for item in found.analysis.findings if item.code == "S120"]
    assert [text[slice(*found.range_of(place))] for place in places if place] == ["cast.yaml"]
