"""Properties of any bytes and any text."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from onestory_cli.errors import OnestoryError
from onestory_cli.importers import FORMATS, import_story
from onestory_cli.story.load import read_story
from tests.fuzz import target

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)  # deadline: never assert timings
SAMPLES = [path.read_bytes() for path in target.corpus()]
PROSE = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff"), max_size=60)


@FEW
@given(st.sampled_from(SAMPLES), st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=8))
def test_damaged_stories_are_handled(data: bytes, start: int, length: int, other: bytes) -> None:
    target.check(data[:start] + other + data[start + length :])


@FEW
@given(PROSE)
def test_any_text_in_quotes_is_the_caption(text: str) -> None:
    story = {"story": 1, "title": "t", "shots": [{"id": "a", "caption": f"x {text}".replace("$", "$$")}]}
    try:
        read, _ = read_story(json.dumps(story, ensure_ascii=False).encode(), "film.story.yaml")
    except OnestoryError as fault:
        assert {item.code for item in fault.diagnostics} == {"S103"}  # noqa: PT017
    else:
        assert read.shots[0].resolved_caption == " ".join(f"x {text}".split())


@FEW
@given(st.sampled_from([*FORMATS]), st.binary(max_size=200))
def test_any_bytes_are_imported_or_refused(format: str, data: bytes) -> None:
    try:
        imported = import_story(data, "a.json", format=format)
    except OnestoryError as fault:
        assert fault.diagnostics[0].help  # noqa: PT017
    else:
        read_story(imported.text.encode(), "film.story.yaml")


LINES = st.lists(
    st.sampled_from(
        ["INT. HUT - DAY", "FOX", "FOX (V.O.)", "(low)", "", "> FADE", "[[n", "]]", "/*", "*/", "# a", "= b"]
    )
    | PROSE,
    max_size=20,
)


@FEW
@given(LINES)
def test_an_imported_screenplay_is_a_valid_story(lines: list[str]) -> None:
    try:
        imported = import_story("\n".join(lines).encode(), "a.fountain")
    except OnestoryError:
        return
    read_story(imported.text.encode(), "film.story.yaml")


@FEW
@given(st.lists(PROSE, max_size=5), st.lists(st.booleans(), max_size=5), PROSE)
def test_an_imported_storymem_script_is_a_valid_story(prompts: list[str], cuts: list[bool], name: str) -> None:
    source = {"story_name": name, "scenes": [{"video_prompts": prompts, "cut": cuts, name: 1}]}
    try:
        imported = import_story(json.dumps(source).encode(), "a.json", format="storymem")
    except OnestoryError:
        return
    story, _ = read_story(imported.text.encode(), "film.story.yaml")
    assert [shot.resolved_caption for shot in story.shots] == [" ".join(prompt.split()) for prompt in prompts]
