"""A serialized plan plans to the same jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from onestory_cli.errors import Findings
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.planning.serialize import portable, story_text
from onestory_cli.store.keys import clip_fields, spec_fields
from onestory_cli.story.load import load_story, read_story
from tests.films import plan_of, shot
from tests.test_cases import SPEC

ROOT = Path(__file__).parents[2]
UNREPRESENTABLE = {"S106", "S116", "S142"}  # text that a story cannot contain
STORIES = sorted([*(ROOT / "tests/cases/valid").glob("*.story.yaml"), *(ROOT / "examples").glob("*.story.yaml")])


def facts(plan: Plan) -> list[object]:
    """Everything that can make the films of two plans differ."""
    settings = [
        (job.shot, spec_fields(job, "model"), clip_fields(job, plan.output), job.memory, job.tokens, job.fps)
        for job in plan.jobs
    ]
    return [plan.story.title, settings, [(item.source, item.image.sha256) for item in plan.references], plan.sounds]


def again(plan: Plan) -> Plan:
    """The plan of the serialized plan, with the same pictures and sounds."""
    text = story_text(plan, names={item.path: item.path for item in plan.files}, seeds={})
    story, _ = read_story(text.encode(), plan.story.path)
    return make_plan(story, plan.model)[0]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.name.removesuffix(".story.yaml"))
def test_a_serialized_plan_has_the_same_jobs(path: Path) -> None:
    story, _ = load_story(path)
    plan, _ = make_plan(story, replace(SPEC, max_frames=81, size_multiple=8))
    assert facts(again(plan)) == facts(plan)


@pytest.mark.parametrize("until", ["opening", "city"])
def test_profile_and_last_shot_are_resolved(tmp_path: Path, until: str) -> None:
    path = tmp_path / "film.story.yaml"
    path.write_text(
        "story: 1\ntitle: T\nprofiles: {draft: {steps: 3, memory: {policy: recent}}}\n"
        "shots: [{id: opening, caption: A fox.}, {id: city, caption: A city., negative: ''}, {id: end, caption: Sea.}]"
    )
    story, _ = load_story(path, profile="draft", seed=99)
    plan, _ = make_plan(story, SPEC, until=until)
    assert facts(again(plan)) == facts(plan)
    assert [job.steps for job in again(plan).jobs] == [3] * len(plan.jobs)


def test_the_seed_of_another_take_is_written_out() -> None:
    plan = plan_of(shot("opening"), shot("city"))
    text = story_text(plan, names={}, seeds={"city": 2**63 - 1})
    story, _ = read_story(text.encode(), "film.story.yaml")
    assert [job.seed for job in make_plan(story, plan.model)[0].jobs] == [plan.jobs[0].seed, 2**63 - 1]


@pytest.mark.parametrize("number", [0.00001, 1.5e-7, 1e-17, 4.0, 0.1, 100.0])
def test_numbers_survive_serialization(number: float) -> None:
    plan = plan_of(shot("opening", guidance=number))
    story, _ = read_story(story_text(plan, names={}, seeds={}).encode(), "film.story.yaml")
    assert story.shots[0].guidance == number


@settings(deadline=None)  # machines may be busy
@given(words=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["C", "Z"]), min_size=1))
def test_captions_and_titles_survive_serialization(words: str) -> None:
    caption = words.replace("$", "$$")
    plan = plan_of(replace(shot("opening", caption), resolved_caption=words), title=words)
    try:
        story, _ = read_story(story_text(plan, names={}, seeds={}).encode(), "film.story.yaml")
    except Findings as fault:
        if {item.code for item in fault.diagnostics} <= UNREPRESENTABLE:
            reject()
        raise
    assert (story.title, story.shots[0].resolved_caption) == (words, words)


def test_absolute_folders_are_left_out() -> None:
    assert portable("/home/me/models/wan") == "wan"
    assert portable("~/models/wan") == "wan"
    assert portable(r"C:\models\wan") == "wan"
    assert portable("models/wan") == "models/wan"
    assert portable("Wan-AI/Wan2.1-VACE-1.3B-diffusers") == "Wan-AI/Wan2.1-VACE-1.3B-diffusers"
