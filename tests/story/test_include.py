"""Characters and settings of included files are those of a story that declares them itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.errors import Findings, OnestoryError
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.story.load import load_story
from tests.films import render_with
from tests.rendering.test_resume import write_model

STORY = """\
story: 1
title: An episode
model: models/numbers
{cast}shots:
  - {{id: opening, caption: $fox waves on $beach.}}
  - {{id: return, caption: $fox jumps on $beach.}}
"""
CHARACTERS = "characters:\n  fox: {look: a red fox, image: PATH}\nsettings:\n  beach: {look: a beach}\n"


@pytest.fixture
def included(tmp_path: Path) -> Path:
    """A story that includes shared/cast.yaml, whose character has a picture next to it."""
    write_model(tmp_path)
    (tmp_path / "shared" / "refs").mkdir(parents=True)
    Image.new("RGB", (48, 32), "red").save(tmp_path / "shared" / "refs" / "fox.png")
    (tmp_path / "shared" / "cast.yaml").write_text(CHARACTERS.replace("PATH", "refs/fox.png"))
    file = tmp_path / "film.story.yaml"
    file.write_text(STORY.format(cast="include: [shared/cast.yaml]\n"))
    return file


def plan_of(file: Path) -> Plan:
    return compile_story(file)[0]


def test_takes_are_those_of_the_story_in_one_file(included: Path) -> None:
    whole = included.with_name("whole.story.yaml")
    whole.write_text(STORY.format(cast=CHARACTERS.replace("PATH", "shared/refs/fox.png")))
    assert plan_of(included).jobs == plan_of(whole).jobs
    run = included.with_suffix(".run")
    assert render_with(plan_of(included), run).made == ["opening", "return"]
    assert render_with(plan_of(whole), run).made == []


def test_run_resumes_without_the_included_file(included: Path) -> None:
    render_with(compile_story(included, until="opening")[0], included.with_suffix(".run"))
    run = Run.open(included.with_suffix(".run"))
    for file in (included, included.parent / "shared" / "cast.yaml", included.parent / "shared" / "refs" / "fox.png"):
        file.unlink()
    assert render_with(load_run_plan(run), run.path).made == ["return"]
    assert [*find_damage(run)] == []


def test_damaged_copy_of_an_included_file_is_refused(included: Path) -> None:
    render_with(plan_of(included), included.with_suffix(".run"))
    run = Run.open(included.with_suffix(".run"))
    (copy,) = run.path.glob("inputs/*.yaml")
    copy.write_text("characters: {}")
    assert [item.path for item in find_damage(run)] == [copy]
    with pytest.raises(OnestoryError, match="copy of"):
        load_run_plan(run)


def test_edit_of_an_included_file_makes_its_shots_stale(included: Path) -> None:
    cast = included.parent / "shared" / "cast.yaml"
    render_with(plan_of(included), included.with_suffix(".run"))
    cast.write_text(cast.read_text() + "  city: {look: a city}\n")
    assert render_with(plan_of(included), included.with_suffix(".run")).made == []
    cast.write_text(cast.read_text().replace("a beach", "a beach at night"))
    assert render_with(plan_of(included), included.with_suffix(".run")).made == ["opening", "return"]


def test_picture_of_an_included_file_stays_in_the_folder(included: Path) -> None:
    cast = included.parent / "shared" / "cast.yaml"
    cast.write_text(CHARACTERS.replace("PATH", "../../fox.png"))
    with pytest.raises(Findings) as caught:
        load_story(included)
    (finding,) = caught.value.diagnostics
    assert finding.code == "S150"
    assert finding.place
    assert (finding.place.path, finding.place.line) == (str(cast), 2)
