"""Which shots are kept, rendered or undecided, each with its Reason, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.planning.jobs import Plan, ReasonKind
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.reuse import FieldChange, changed_fields, forecast
from onestory_cli.store.run import Run
from onestory_cli.story.types import MemoryRequest, Mention
from tests.films import SPEC, change, plan_of, render_with, shot, three_shots


@pytest.fixture
def run(tmp_path: Path) -> Run:
    render_with(three_shots(), tmp_path)
    return Run.open(tmp_path)


def table(plan: Plan, run: Run | None, *force: str) -> dict[str, tuple[str, str]]:
    return {item.job.shot: (item.action, str(item.reason)) for item in forecast(plan, run, force=force)}


def test_without_a_run_everything_is_new() -> None:
    assert table(three_shots(), None) == dict.fromkeys(("opening", "city", "return"), ("render", "new"))


def test_an_unchanged_story_is_kept(run: Run) -> None:
    assert table(three_shots(), run) == dict.fromkeys(("opening", "city", "return"), ("keep", "kept"))
    assert all(item.take is not None for item in forecast(three_shots(), run))


def test_what_sees_a_shot_that_must_run_is_undecided_until_it_has(run: Run) -> None:
    assert table(change(three_shots(), "opening", resolved_caption="other"), run) == {
        "opening": ("render", "caption changed"),
        "city": ("undecided", "waits for opening[0,1]"),
        "return": ("undecided", "waits for opening[1], city[1]"),
    }


def test_an_undecided_shot_whose_own_spec_changed_must_run_anyway(run: Run) -> None:
    plan = change(change(three_shots(), "opening", resolved_caption="other"), "return", steps=5)
    assert table(plan, run)["return"] == ("render", "settings changed: steps 3 -> 5")


def test_a_forced_shot_runs_and_leaves_the_rest_to_its_bytes(run: Run) -> None:
    assert table(three_shots(), run, "city") == {
        "opening": ("keep", "kept"),
        "city": ("render", "forced"),
        "return": ("undecided", "waits for city[1]"),
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"resolved_caption": "other"}, "caption changed"),
        ({"negative": "blur"}, "caption changed"),
        ({"steps": 5}, "settings changed: steps 3 -> 5"),
        ({"guidance": 2.0, "shift": 5.0}, "settings changed: guidance 4.0 -> 2.0, shift 3.0 -> 5.0"),
        ({"frames": 9}, "settings changed: frames 5 -> 9"),
        ({"memory": MemoryRequest(policy="recent")}, "settings changed: memory policy adaptive -> recent"),
        ({"resolved_caption": "other", "steps": 5}, "caption changed: also steps 3 -> 5"),
        ({"resolved_caption": "other", "seed": 5}, "caption changed: also seed"),
    ],
)
def test_a_changed_spec_says_what_changed(run: Run, fields: dict[str, object], reason: str) -> None:
    assert table(change(three_shots(), "return", **fields), run)["return"] == ("render", reason)


def test_a_changed_seed_is_told_apart(run: Run) -> None:
    action, reason = table(change(three_shots(), "return", seed=5), run)["return"]
    assert (action, reason) == ("render", "seed changed")


def test_another_model_is_the_reason_for_all(run: Run) -> None:
    plan, _ = make_plan(three_shots().story, SPEC, model_fingerprint="f" * 16)
    assert table(plan, run)["return"] == ("render", "model changed")


def test_memory_from_fewer_shots_names_what_is_gone(run: Run) -> None:
    plan = change(three_shots(), "return", memory=MemoryRequest(sources=("city",)))
    assert table(plan, run)["return"] == ("render", "memory changed: no longer sees opening[1]")


def test_an_inserted_shot_is_new_and_later_ones_wait_for_it(run: Run) -> None:
    opening, city, last = three_shots().story.shots
    plan = plan_of(opening, shot("night"), city, last)
    assert table(plan, run) == {
        "opening": ("keep", "kept"),
        "night": ("render", "new"),
        "city": ("undecided", "waits for night"),
        "return": ("undecided", "waits for night, city[1]"),
    }


def test_other_order_of_the_same_memory_is_for_the_selector_to_decide(run: Run) -> None:
    blind = MemoryRequest(sources=())
    shots = [shot("a", memory=blind), shot("b", memory=blind), shot("c")]
    render_with(plan_of(*shots), run.path)
    swapped = plan_of(shots[1], shots[0], shots[2])
    assert table(swapped, run)["c"] == ("undecided", "waits for selection: sees the same in another order")


def test_frames_that_are_no_longer_there_are_named_without_asking_the_selector(tmp_path: Path) -> None:
    plan = plan_of(shot("opening"), shot("city"), shot("return", "they meet", memory=MemoryRequest(frames=1)))
    render_with(plan, tmp_path)
    run = Run.open(tmp_path)
    selected = run.takes_by_shot()["return"].takes[0].record.memory.selected
    assert list(map(str, selected)) == ["city[1]"]
    other = change(change(plan, "opening", resolved_caption="other"), "city", resolved_caption="else")
    render_with(plan_of(*other.story.shots[:2]), tmp_path)
    reason = next(item.reason for item in forecast(other, run) if item.job.shot == "return")
    assert (reason.kind, reason.detail) == (ReasonKind.MEMORY, "city[1] differs")


def test_a_shot_removed_that_was_not_remembered_is_for_the_selector_to_decide(tmp_path: Path) -> None:
    plan = plan_of(shot("opening"), shot("city"), shot("return", "they meet", memory=MemoryRequest(frames=1)))
    render_with(plan, tmp_path)
    without = change(plan, "return", memory=MemoryRequest(frames=1, sources=("city",)))
    assert table(without, Run.open(tmp_path))["return"] == (
        "undecided",
        "waits for selection: no longer sees opening",
    )


@pytest.mark.parametrize(
    ("policy", "edited", "expected"),
    [
        ("last", "opening", ("keep", "kept: still remembers city[1]")),
        ("last", "city", ("undecided", "waits for city[1]")),
        ("recent", "opening", ("keep", "kept: still remembers city[1,0]")),
        ("uniform", "opening", ("undecided", "waits for opening[1]")),
        ("none", "opening", ("keep", "kept")),
    ],
)
def test_policies_that_go_by_place_are_decided_without_a_model(
    tmp_path: Path, policy: str, edited: str, expected: tuple[str, str]
) -> None:
    blind = MemoryRequest(sources=())
    plan = plan_of(
        shot("opening", memory=blind), shot("city", memory=blind), shot("return", memory=MemoryRequest(policy=policy))
    )
    render_with(plan, tmp_path)
    changed = change(plan, edited, resolved_caption="other")
    assert table(changed, Run.open(tmp_path))["return"] == expected
    generator = render_with(changed, tmp_path)
    assert generator.recalled == []
    assert ("return" in generator.made) == (policy == "uniform" or edited == "city")
    assert render_with(changed, tmp_path).made == []


def test_who_is_shown_where_is_part_of_a_memory_that_must_cover_it(tmp_path: Path) -> None:
    fox = Mention(id="fox", kind="character", full=True, start=0, end=3)
    memory = MemoryRequest(policy="coverage", frames=1)
    plan = plan_of(shot("opening", mentions=(fox,)), shot("city"), shot("return", mentions=(fox,), memory=memory))
    generator = render_with(plan, tmp_path)
    assert table(plan, Run.open(tmp_path))["return"] == ("keep", "kept")
    elsewhere = change(change(plan, "opening", mentions=()), "city", mentions=(fox,))
    assert table(elsewhere, Run.open(tmp_path))["return"] == (
        "undecided",
        "waits for selection: other sources show what its caption names",
    )
    generator = render_with(elsewhere, tmp_path)
    assert generator.recalled == generator.made == ["return"]
    assert table(elsewhere, Run.open(tmp_path))["return"] == ("keep", "kept")


def test_a_shot_inserted_between_keeps_what_still_covers(tmp_path: Path) -> None:
    fox = Mention(id="fox", kind="character", full=True, start=0, end=3)
    memory = MemoryRequest(policy="coverage", frames=1)
    plan = plan_of(shot("opening", mentions=(fox,)), shot("return", mentions=(fox,), memory=memory))
    render_with(plan, tmp_path)
    opening, last = plan.story.shots
    generator = render_with(plan_of(opening, shot("night"), last), tmp_path)
    assert (generator.recalled, generator.made) == (["return"], ["night"])


def test_changes_are_shortened_for_reading() -> None:
    (change_,) = changed_fields({"caption": "x" * 99, "seed": 1}, {"caption": "y", "seed": 1})
    assert change_ == FieldChange(field="caption", old="x" * 99, new="y")
    assert str(change_) == f"caption {'x' * 23}… -> y"


def test_a_field_that_a_spec_does_not_name_is_told_as_what_it_means() -> None:
    (gone,) = changed_fields({"memory_guidance": 3.0}, {})
    assert str(gone) == "memory guidance 3.0 -> 0.0"
    assert not changed_fields({}, {"memory_guidance": 0.0})
