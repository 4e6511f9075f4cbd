"""What bases without an adapter can start from and remember, and which words a model knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.errors import Diagnostic, Findings, Place
from onestory_cli.models.bases import BASES
from onestory_cli.planning.jobs import FirstShotModel, Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.keys import spec_fields
from onestory_cli.story.load import read_story
from onestory_cli.story.types import Character, MemoryRequest, Shot
from tests.films import SPEC, shot, story_of

VACE, T2V, I2V, TI2V = (
    BASES[name] for name in ("wan2.1-vace-1.3b", "wan2.1-t2v-1.3b", "wan2.1-i2v-14b-480p", "wan2.2-ti2v-5b")
)
FIRST = FirstShotModel(spec=T2V, fingerprint="words")


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("start.png")


def planned(spec_name: str, *shots: Shot, first: FirstShotModel | None = None, **fields: object) -> Plan:
    plan, _ = make_plan(story_of(*shots, **fields), BASES[spec_name], model_fingerprint="own", first_shot_model=first)  # type: ignore[arg-type]
    return plan


def findings(spec_name: str, *shots: Shot, first: FirstShotModel | None = None) -> list[Diagnostic]:
    with pytest.raises(Findings) as caught:
        planned(spec_name, *shots, first=first)
    return list(caught.value.diagnostics)


def test_references_cost_a_latent_frame_each() -> None:
    jobs = planned(VACE.name, shot("a"), shot("b")).jobs
    assert (jobs[0].tokens.noise, jobs[0].tokens.context, jobs[0].tokens.per_frame) == (21 * 1560, 0, 1560)
    assert jobs[1].tokens.context == 3 * 1560
    assert jobs[1].memory.policy == "coverage"


def test_a_first_frame_costs_no_tokens_and_excludes_references() -> None:
    fox = Character(id="fox", look="a fox", again="the fox", image="start.png")
    jobs = planned(TI2V.name, shot("a"), shot("b"), shot("c", image="start.png"), characters=(fox,)).jobs
    assert [job.memory.sources for job in jobs] == [(), ("a",), ()]
    assert [job.tokens.context for job in jobs] == [0, 0, 0]
    assert planned(VACE.name, shot("a"), characters=(fox,)).jobs[0].memory.sources == ("@fox",)


def test_a_base_without_memory_sees_no_shots_and_is_reported() -> None:
    story = story_of(shot("a"), shot("b", memory=MemoryRequest(frames=4, policy="recent")))
    plan, warnings = make_plan(story, T2V)
    assert [job.memory.sources for job in plan.jobs] == [(), ()]
    assert [warning.code for warning in warnings] == ["W311"]
    assert VACE.name in warnings[0].help
    assert make_plan(story_of(shot("a")), T2V)[1] == ()


def test_an_adapter_adds_memory_and_a_start_from_text() -> None:
    with_adapter = replace(I2V, adapter="/adapter", policy="adaptive", memory_frames=6, levels=VACE.levels)
    plan, warnings = make_plan(story_of(shot("a"), shot("b")), with_adapter)
    assert plan.jobs[1].memory.sources == ("a",)
    assert warnings == ()


def test_an_image_to_video_base_needs_a_first_frame() -> None:
    found = findings(I2V.name, shot("a"), shot("b"), shot("c", memory=MemoryRequest(policy="none")))
    assert [(item.code, item.message.split('"')[3]) for item in found] == [("S218", "a"), ("S218", "c")]
    assert "wan2.1-t2v-1.3b or wan2.1-t2v-14b" in found[0].help
    assert planned(I2V.name, shot("a", image="start.png"), shot("b")).jobs[1].memory.sources == ("a",)


def test_the_first_shot_model_takes_shots_without_a_first_frame_with_its_own_defaults() -> None:
    shots = (shot("a"), shot("b"), shot("c", memory=MemoryRequest(policy="none")), shot("d", image="start.png"))
    jobs = planned(I2V.name, *shots, first=FIRST).jobs
    assert [job.first_shot_model for job in jobs] == [FIRST, None, FIRST, None]
    assert [job.steps for job in jobs] == [50, 40, 50, 40]
    assert [spec_fields(job, "own")["model"] for job in jobs] == ["words", "own", "words", "own"]


@pytest.mark.parametrize(
    ("first", "said"),
    [(TI2V, "their latents differ"), (I2V, "needs a first frame too")],
    ids=["other latents", "pictures too"],
)
def test_unsuitable_first_shot_models(first: object, said: str) -> None:
    other = FirstShotModel(spec=first, fingerprint="")  # type: ignore[arg-type]
    found = [item for item in findings(I2V.name, shot("a"), first=other) if item.code == "S220"]
    assert len(found) == 1
    assert said in found[0].message
    assert "wan2.1-t2v-1.3b" in found[0].help


def test_memory_guidance_needs_an_adapter() -> None:
    for base in (T2V, TI2V, VACE):
        found = findings(base.name, shot("a", memory=MemoryRequest(frames=1, guidance=2.0)))
        assert [item.code for item in found] == ["S221"], base.name
    assert planned(TI2V.name, shot("a", memory=MemoryRequest(guidance=0.0))).jobs[0].memory.guidance == 0.0


def test_a_wrong_value_in_defaults_is_reported_once() -> None:
    text = (
        b"story: 1\ntitle: T\n"
        b"defaults: {memory: {guidance: 2.0, frames: 4}}\n"
        b"shots:\n- {id: a, caption: A.}\n- {id: b, caption: B.}\n"
        b"- {id: c, caption: C., memory: {guidance: 3.0}}\n"
    )
    with pytest.raises(Findings) as caught:
        make_plan(read_story(text, "film.story.yaml")[0], TI2V)
    places = [(item.code, item.place.line, item.place.column) for item in caught.value.diagnostics if item.place]
    assert sorted(places) == [("S217", 3, 44), ("S221", 3, 31), ("S221", 7, 43)]


def test_a_base_that_starts_from_a_frame_remembers_one() -> None:
    found = findings(TI2V.name, shot("a"), shot("b", memory=MemoryRequest(frames=4)))
    assert [item.code for item in found] == ["S217"]
    assert VACE.name in found[0].help


def test_a_text_to_video_base_refuses_a_picture() -> None:
    found = findings(T2V.name, shot("a", image="start.png"))
    assert [item.code for item in found] == ["S219"]
    assert VACE.name in found[0].help


KNOWN = replace(SPEC, words=("a", "the", "fox", "wide", "shot", "close-up", "half", "moon", "waves", "Beach"))


def warnings_of(*shots: Shot) -> tuple[Diagnostic, ...]:
    _, warnings = make_plan(story_of(*shots), KNOWN)
    return warnings


def test_an_unknown_word_is_reported_once_with_its_shots_and_similar_words() -> None:
    place = Place(path="film.story.yaml", line=4)
    warnings = warnings_of(
        shot("opening", "A fix waves.", places={"caption": place}), shot("return", "the fix, the FIX")
    )
    assert [(item.code, item.severity, item.place) for item in warnings] == [("W310", "warning", place)]
    assert warnings[0].message == '"numbers" does not know the word "fix" (shots opening, return)'
    assert warnings[0].help == "near words: fox; `onestory models --words` lists all"


def test_case_hyphens_and_possessives_are_known() -> None:
    assert warnings_of(shot("a", "Close-up. The fox's beach, a half-moon. WIDE shot")) == ()


def test_a_word_without_similar_words() -> None:
    assert warnings_of(shot("a", "dragon"))[0].help == "`onestory models --words` lists all"


def test_many_shots_are_counted() -> None:
    assert "(shots a, b, c and 2 more)" in warnings_of(*(shot(id, "dragon") for id in "abcde"))[0].message


def test_an_open_vocabulary_has_no_unknown_words() -> None:
    _, warnings = make_plan(story_of(shot("a", "dragon")), SPEC)
    assert warnings == ()
