"""What bases without an adapter can start from and remember, and which words a model knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.models.bases import BASES
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import FirstShotModel, Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.planning.serialize import story_text
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
    with_adapter = I2V.with_fields(adapter="/adapter", policy="adaptive", memory_frames=6, levels=VACE.levels)
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


def test_unknown_words_are_one_finding_at_the_first_word() -> None:
    text = b"story: 1\ntitle: T\nshots:\n- {id: a, caption: A beech waves.}\n- {id: b, caption: the BEECH and dragon}\n"
    _, (finding,) = make_plan(read_story(text, "film.story.yaml")[0], KNOWN)
    assert finding.message == '"numbers" does not know 3 of 6 words: beech, and, dragon'
    assert finding.help == (
        'the picture will not show them; "beech" may mean "beach"; `onestory models --words` lists known words'
    )
    assert finding.severity == "warning"
    assert finding.place
    assert (finding.place.line, finding.place.column, finding.place.length) == (4, 22, 5)


def test_a_word_of_a_look_is_marked_in_the_look() -> None:
    text = b"story: 1\ntitle: T\ncharacters: {fox: {look: a huge fox}}\nshots: [{id: a, caption: $fox waves.}]\n"
    _, (finding,) = make_plan(read_story(text, "film.story.yaml")[0], KNOWN)
    assert finding.place
    assert (finding.place.line, finding.place.column, finding.place.length) == (3, 28, 4)


def test_long_lists_of_unknown_words_are_cut() -> None:
    (finding,) = warnings_of(shot("a", " ".join(f"zebra{letter}" for letter in "abcdefghijkl")))
    assert finding.message.endswith("zebrag, zebrah and 4 more")
    assert "may mean" not in finding.help


def test_case_hyphens_and_possessives_are_known() -> None:
    assert warnings_of(shot("a", "Close-up. The fox's beach, a half-moon. WIDE shot")) == ()


def test_an_open_vocabulary_has_no_unknown_words() -> None:
    _, warnings = make_plan(story_of(shot("a", "dragon")), SPEC)
    assert warnings == ()


PHRASES = replace(
    SPEC,
    words=("a", "in", "fox", "waves", "beach", "desert", "city", "at", "night"),
    phrases=("beach", "desert", "city at night"),
)


def combinations(*captions: str, spec: ModelSpec = PHRASES) -> list[str]:
    story = story_of(*(shot(id, caption) for id, caption in zip("abc", captions, strict=False)))
    return [f"{item.code}: {item.message}" for item in make_plan(story, spec)[1]]


def test_known_words_in_an_unknown_combination_are_reported() -> None:
    found = combinations("A fox waves in a desert at night.", "A fox at night in a city at night.")
    assert found == ['W313: "numbers" does not know "at night" in this combination']


def test_phrases_of_the_model_and_words_of_their_own_are_known() -> None:
    assert combinations("A fox waves in a City at Night.", "a beach. a desert.") == []
    both = replace(PHRASES, phrases=("beach", "beach at night", "night"))
    assert combinations("a beach at night", "a night", spec=both) == []
    assert combinations("a desert at", spec=both) == ['W313: "numbers" does not know "at" in this combination']


def test_a_model_without_phrases_has_no_combinations() -> None:
    assert combinations("at night", spec=replace(PHRASES, phrases=())) == []


CAST = "characters: {fox: {look: a red fox}}\nsettings: {beach: {look: a beach}}\n"


def codes(text: str, spec: ModelSpec, folder: Path = Path()) -> list[str]:
    """The codes of all warnings of a story on a model."""
    data = f"story: 1\ntitle: T\n{text}".encode()
    story, warnings = read_story(data, str(folder / "film.story.yaml"))
    return [item.code for item in (*warnings, *make_plan(story, spec)[1])]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("{}", []),
        ("{from: [a]}", []),
        ("{from: [b]}", ["W304"]),
        ("{from: [b, c]}", []),
        ("{from: []}", ["W304"]),
        ("{frames: 0}", ["W304"]),
        ("{budget: 0}", ["W304"]),
        ("{policy: none}", ["W304"]),
        ("{policy: last}", []),
        ("{policy: last, from: [a, b]}", ["W304"]),
        ("{policy: recent}", []),
    ],
)
def test_references_to_what_no_visible_shot_shows(memory: str, expected: list[str]) -> None:
    text = f"""
shots:
  - {{id: a, caption: $fox waves on $beach.}}
  - {{id: b, caption: $beach.}}
  - {{id: c, caption: $fox!.}}
  - {{id: d, caption: $fox jumps., memory: {memory}}}
"""
    assert codes(CAST + text, SPEC) == expected


def test_a_reference_picture_counts_as_memory(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "fox.png")
    text = """
characters: {fox: {look: a red fox, image: fox.png}}
shots:
  - {id: a, caption: $fox waves.}
  - {id: b, caption: $fox jumps. The same fox., memory: {from: []}}
  - {id: c, caption: $fox jumps., memory: {policy: none}}
"""
    assert codes(text, SPEC, tmp_path) == ["W304"]


LATER = CAST + "shots:\n  - {id: a, caption: $fox waves.}\n  - {id: b, caption: $fox jumps on $beach.%s}\n"


def captions_on(spec: ModelSpec, mode: str, first: FirstShotModel | None = None) -> list[str]:
    data = ("story: 1\ntitle: T\n" + LATER % (f", captions: {mode}" if mode else "")).encode()
    plan, _ = make_plan(read_story(data, "film.story.yaml")[0], spec, first_shot_model=first)
    assert [shot.resolved_caption for shot in plan.story.shots] == [job.caption for job in plan.jobs]
    return [job.caption for job in plan.jobs]


REFERENTIAL = ["A red fox waves.", "The same fox jumps on a beach."]
FULL = ["A red fox waves.", "A red fox jumps on a beach."]


@pytest.mark.parametrize("mode", ["", "auto", "referential"])
def test_captions_are_referential_with_an_adapter(mode: str) -> None:
    assert captions_on(SPEC, mode) == REFERENTIAL


@pytest.mark.parametrize("spec", [VACE, T2V, TI2V], ids=lambda spec: spec.name)
@pytest.mark.parametrize("mode", ["", "auto", "full"])
def test_captions_are_full_without_an_adapter(spec: ModelSpec, mode: str) -> None:
    assert captions_on(spec, mode) == FULL


def test_explicit_captions_do_not_depend_on_the_model() -> None:
    assert captions_on(SPEC, "full") == FULL
    assert captions_on(VACE, "referential") == REFERENTIAL


def test_full_captions_need_no_memory() -> None:
    text = LATER % ", memory: {policy: none}"
    assert codes(text, SPEC) == ["W304"]
    assert codes(text.replace("policy: none}", "policy: none}, captions: full"), SPEC) == []
    assert codes(text, VACE) == []
    assert codes(LATER % ", captions: referential", T2V) == ["W304", "W311"]


def test_a_caption_that_is_too_long_with_full_looks_is_refused() -> None:
    ids = [f"fox-{letter}" for letter in "abcdefghijkl"]
    cast = "".join(f"  {id}: {{look: 'a {'red ' * 450}fox'}}\n" for id in ids)
    shots = "".join(f"- {{id: {id}, caption: ${id} waves.}}\n" for id in ids)
    text = f"characters:\n{cast}shots:\n{shots}- {{id: all, caption: '{' '.join('$' + id for id in ids)}'}}\n"
    assert set(codes(text, SPEC)) == {"W305"}
    with pytest.raises(Findings, match='caption of shot "all" is too long') as caught:
        codes(text, VACE)
    assert caught.value.code == "S142"


def test_the_captions_mode_survives_serialization() -> None:
    data = ("story: 1\ntitle: T\n" + LATER % ", captions: full").encode()
    plan, _ = make_plan(read_story(data, "film.story.yaml")[0], SPEC)
    again, _ = read_story(story_text(plan, names={}, seeds={}).encode(), "film.story.yaml")
    assert [job.caption for job in make_plan(again, SPEC)[0].jobs] == FULL


def test_guidance_of_a_distilled_model_is_reported() -> None:
    spec = replace(SPEC, distilled=True, guidance=1.0)
    guided = replace(shot("a"), guidance=3.0, memory=MemoryRequest(guidance=2.0))
    found = make_plan(story_of(guided, replace(shot("b"), guidance=1.0)), spec)[1]
    assert [(item.code, item.severity) for item in found] == [("W314", "warning"), ("W314", "warning")]
    assert "guidance 3" in found[0].message
    assert make_plan(story_of(guided), replace(spec, distilled=False))[1] == ()
