"""Planning a story on a model: defaults, memory, seeds, tokens, and everything that the model refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.errors import Diagnostic, Findings, OnestoryError, Place
from onestory_cli.memory.levels import REFERENCE, allocate
from onestory_cli.planning.jobs import FirstShotModel, derive_seed, retake
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.types import Character, MemoryRequest, Mention, Output, Setting, Shot
from tests.films import SPEC, plan_of, shot, story_of

ENOUGH = replace(SPEC, frames=17, max_frames=81, width=64, height=64)


def findings_of(*shots: Shot, spec: object = SPEC, **fields: object) -> list[Diagnostic]:
    with pytest.raises(Findings) as caught:
        plan_of(*shots, spec=spec, **fields)  # type: ignore[arg-type]
    return list(caught.value.diagnostics)


def only(findings: list[Diagnostic]) -> Diagnostic:
    assert len(findings) == 1, findings
    return findings[0]


def mentioning(id: str, *names: str, **fields: object) -> Shot:
    return shot(
        id, mentions=tuple(Mention(id=name, kind="character", full=False, start=0, end=0) for name in names), **fields
    )


def test_omitted_values_are_the_model_defaults() -> None:
    job = plan_of(shot("opening")).jobs[0]
    assert (job.frames, job.width, job.height, job.fps) == (SPEC.frames, SPEC.width, SPEC.height, SPEC.fps)
    assert (job.steps, job.guidance, job.scheduler, job.shift) == (3, 4.0, "euler", 3.0)
    assert (job.memory.frames, job.memory.budget, job.memory.policy) == (2, 1.0, "adaptive")


def test_memory_guidance_defaults_to_the_model() -> None:
    spec = replace(SPEC, memory_guidance=2.0)
    shots = [shot("a"), shot("b", memory=MemoryRequest(guidance=0.0)), shot("c", memory=MemoryRequest(guidance=1.5))]
    assert [job.memory.guidance for job in plan_of(*shots, spec=spec).jobs] == [2.0, 0.0, 1.5]
    assert plan_of(shot("a")).jobs[0].memory.guidance == 0.0


def test_default_memory_guidance_is_off_in_shots_that_introduce_a_character() -> None:
    """Only the caption of the shot itself counts. Settings are not characters."""
    spec = replace(SPEC, memory_guidance=2.0)

    def with_(id: str, kind: str, *, full: bool, guidance: float | None = None) -> Shot:
        mention = Mention(id="it", kind=kind, full=full, start=0, end=0)
        return shot(id, mentions=(mention,), memory=MemoryRequest(guidance=guidance))

    shots = [
        with_("a", "character", full=True),
        with_("b", "character", full=False),
        with_("c", "character", full=True, guidance=1.5),
        with_("d", "setting", full=True),
    ]
    assert [job.memory.guidance for job in plan_of(*shots, spec=spec).jobs] == [0.0, 2.0, 1.5, 2.0]


def test_memory_guidance_is_on_if_the_new_character_has_a_picture(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(b"fox")
    spec, fox = (
        replace(ENOUGH, memory_guidance=2.0),
        Character(id="fox", look="a fox", again="the fox", image="fox.png"),
    )
    new = shot("a", mentions=(Mention(id="fox", kind="character", full=True, start=0, end=0),))
    assert plan_of(new, spec=spec, folder=tmp_path, characters=(fox,)).jobs[0].memory.guidance == 2.0
    assert plan_of(new, spec=spec, folder=tmp_path).jobs[0].memory.guidance == 0.0


def test_values_of_zero_are_kept() -> None:
    job = plan_of(
        shot("opening", guidance=0.0, steps=1, negative="", seed=0), spec=replace(SPEC, negative="blur")
    ).jobs[0]
    assert (job.guidance, job.steps, job.negative, job.seed) == (0.0, 1, "", 0)


def test_duration_times_rate_plus_one_is_the_length() -> None:
    assert plan_of(shot("a", duration=2.0), spec=ENOUGH).jobs[0].frames == 17
    assert plan_of(shot("a", duration=2.0), spec=ENOUGH, fps=16).jobs[0].frames == 33
    assert plan_of(shot("a", duration=0.5), spec=ENOUGH).jobs[0].frames == 5


@pytest.mark.parametrize(
    ("fields", "code", "message", "help"),
    [
        ({"frames": 80}, "S210", "80 frames is not 4k+1", "use 77 or 81"),
        ({"frames": 4}, "S210", "4 frames is not 4k+1", "use 1 or 5"),
        ({"frames": 85}, "S212", '85 frames are more than the 81 frames that "numbers" can generate', "use at most 81"),
        (
            {"duration": 2.1},
            "S211",
            "2.1s at 8 fps is 17.8 frames, which is not 4k+1",
            "use 2s (17 frames) or 2.5s (21",
        ),
        ({"duration": 0.1}, "S211", "0.1s at 8 fps is 1.8 frames, which is not 4k+1", "use 0.5s (5 frames)"),
        ({"duration": 60.0}, "S212", '60s at 8 fps is more than the 81 frames that "numbers"', "use at most 10s"),
        ({"width": 70}, "S213", "width 70 is not a multiple of 16", "use 64 or 80"),
        ({"height": 10}, "S213", "height 10 is not a multiple of 16", "use 16"),
    ],
)
def test_impossible_lengths_and_sizes_suggest_the_nearest(
    fields: dict[str, float], code: str, message: str, help: str
) -> None:
    finding = only(findings_of(shot("a", **fields), spec=ENOUGH))
    assert finding.code == code
    assert finding.message.startswith(message)
    assert finding.help.startswith(help)


def test_suggested_lengths_are_within_the_model_limits() -> None:
    assert only(findings_of(shot("a", frames=80), spec=replace(ENOUGH, max_frames=81))).help == "use 77 or 81"
    assert only(findings_of(shot("a", duration=1.9), spec=replace(ENOUGH, max_frames=17))).help == (
        "use 1.5s (13 frames) or 2s (17 frames)"
    )


def test_all_findings_of_all_shots_are_reported_at_once() -> None:
    line = Place(path="film.story.yaml", line=9)
    shots = (shot("a", frames=6, places={"frames": line}), shot("b", width=17, height=33), shot("c"))
    findings = findings_of(*shots)
    assert [finding.code for finding in findings] == ["S210", "S213", "S213"]
    assert findings[0].place == line
    assert findings[1].place == Place(path="film.story.yaml")


def test_a_film_has_one_size() -> None:
    finding = only(findings_of(shot("a"), shot("b", width=48), shot("c")))
    assert (finding.code, finding.message) == ("S214", 'shot "b" is 48x32, but the first shot is 32x32')


def test_a_budget_below_one_frame_suggests_the_minimum() -> None:
    spec = replace(SPEC, width=64, height=64)
    blind, seeing = shot("a", memory=MemoryRequest(budget=0.01)), shot("b", memory=MemoryRequest(budget=0.01))
    finding = only(findings_of(blind, seeing, spec=spec))
    assert (finding.code, finding.help) == ("S215", "use at least 0.0625, or `memory: {frames: 0}` for no memory")
    assert plan_of(blind, shot("b", memory=MemoryRequest(budget=0.0625)), spec=spec).jobs[1].tokens.context == 1


def test_memory_is_all_earlier_shots_or_those_in_memory_from() -> None:
    named = shot("d", memory=MemoryRequest(sources=("c", "a")))
    jobs = plan_of(shot("a"), shot("b"), shot("c"), named).jobs
    assert [job.memory.sources for job in jobs] == [(), ("a",), ("a", "b"), ("a", "c")]


@pytest.mark.parametrize("off", [{"frames": 0}, {"budget": 0.0}, {"policy": "none"}, {"sources": ()}])
def test_a_disabled_memory_has_no_sources(off: dict[str, object]) -> None:
    job = plan_of(shot("a"), shot("b", memory=MemoryRequest(**off))).jobs[1]  # type: ignore[arg-type]
    assert (job.memory.sources, job.tokens.context) == ((), 0)


def test_references_come_first_and_are_always_visible(tmp_path: Path) -> None:
    for name in ("fox.png", "beach.png"):
        (tmp_path / name).write_bytes(name.encode())
    cast = {
        "characters": (
            Character(id="fox", look="x", again="y", image="fox.png"),
            Character(id="owl", look="x", again="y"),
        ),
        "settings": (Setting(id="beach", look="x", again="y", image="beach.png"),),
    }
    plan = plan_of(shot("a"), shot("b", memory=MemoryRequest(sources=())), folder=tmp_path, **cast)
    assert [job.memory.sources for job in plan.jobs] == [("@fox", "@beach")] * 2
    assert [image.path for image in plan.images] == ["fox.png", "beach.png"]


def test_coverage_knows_which_sources_show_each_mention(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(b"fox")
    fox = Character(id="fox", look="x", again="y", image="fox.png")
    shots = [
        mentioning("a", "owl"),
        mentioning("b", "fox", "owl"),
        mentioning("c"),
        mentioning("d", "owl", "fox", "owl"),
        mentioning("e", "owl", "bear", memory=MemoryRequest(sources=("a", "c"))),
    ]
    spec = replace(ENOUGH, policy="coverage")
    jobs = plan_of(*shots, spec=spec, folder=tmp_path, characters=(fox,)).jobs
    assert [{item.id: item.sources for item in job.memory.shown} for job in jobs] == [
        {},
        {"fox": ("@fox",), "owl": ("a",)},
        {},
        {"owl": ("a", "b"), "fox": ("@fox", "b")},
        {"owl": ("a",)},
    ]
    plain = plan_of(*shots, spec=ENOUGH, folder=tmp_path, characters=(fox,)).jobs
    assert not any(job.memory.shown for job in plain)


def test_a_deleted_picture_is_a_finding(tmp_path: Path) -> None:
    finding = only(findings_of(shot("a", image="start.png"), folder=tmp_path))
    assert (finding.code, finding.message) == ("S216", 'cannot read "start.png": No such file or directory')


def test_tokens_count_noise_and_the_frames_that_fit_the_budget() -> None:
    plan = plan_of(*(shot(id) for id in "abcd"), spec=replace(ENOUGH, memory_frames=6))
    first, last = plan.jobs[0].tokens, plan.jobs[-1].tokens
    table = allocate(6, 1.0, height=8, width=8)
    assert (first.noise, first.context, first.per_frame) == (5 * 16, 0, 16)
    assert last.context == sum(level.tokens(8, 8) for level in table) <= 16


def test_a_shot_has_at_most_three_keyframes() -> None:
    stock = replace(ENOUGH, files=replace(ENOUGH.files, adapter=""))
    spec = replace(stock, task="m2v", memory_frames=10, budget=10.0, levels=(REFERENCE,))
    first = FirstShotModel(spec=replace(stock, task="t2v"), fingerprint="f")
    shots = [shot(id, frames=17) for id in "abc"]
    plan, _ = make_plan(story_of(*shots), spec, model_fingerprint="m", first_shot_model=first)
    assert [job.tokens.context for job in plan.jobs] == [0, 3 * 16, 6 * 16]


def test_the_last_policy_costs_one_frame() -> None:
    spec = replace(ENOUGH, policy="last")
    assert plan_of(shot("a"), shot("b"), spec=spec).jobs[1].tokens.context == 16


def test_a_seed_depends_on_story_seed_id_and_take_but_not_on_the_position() -> None:
    seeds = {job.shot: job.seed for job in plan_of(shot("a"), shot("b")).jobs}
    assert seeds == {job.shot: job.seed for job in plan_of(shot("b"), shot("new"), shot("a")).jobs if job.shot != "new"}
    others = [derive_seed(7, "a", 1), derive_seed(8, "a", 0), derive_seed(7, "b", 0)]
    assert len({seeds["a"], *others}) == 4
    assert all(0 <= seed < 2**63 for seed in others)


def test_an_explicit_seed_is_that_of_the_first_take_only() -> None:
    job = plan_of(shot("a", seed=11)).jobs[0]
    assert job.seed == 11
    assert retake(job, 0) == job
    assert retake(job, 1).seed == derive_seed(11, "a", 1)
    assert retake(plan_of(shot("a")).jobs[0], 2).seed == derive_seed(7, "a", 2)


def test_until_truncates_the_plan_and_refuses_unknown_ids() -> None:
    story = story_of(shot("opening"), shot("city"), shot("return"))
    plan, _ = make_plan(story, SPEC, until="city")
    assert [job.shot for job in plan.jobs] == ["opening", "city"]
    with pytest.raises(OnestoryError) as caught:
        make_plan(story, SPEC, until="citty")
    assert (caught.value.code, caught.value.help) == ("S230", 'did you mean "city"?')


def test_output_scale_defaults_to_the_model() -> None:
    spec = replace(SPEC, scale=8)
    assert plan_of(shot("a"), spec=spec).output.scale == 8
    assert plan_of(shot("a"), spec=spec, output=Output(scale=2)).output.scale == 2
