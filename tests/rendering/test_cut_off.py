"""An edit renders only what depends on it: takes are kept while selection picks the same frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli import events
from onestory_cli.events import Event
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.reuse import forecast
from onestory_cli.store.run import Run
from onestory_cli.store.takes import CLIP, LATENTS
from onestory_cli.store.verify import find_damage
from onestory_cli.story.types import MemoryRequest, Shot
from tests.films import NamingGenerator, change, latents_of, plan_of, render_with, shot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "film.run"


def render_named(plan: Plan, folder: Path, heard: list[Event] | None = None) -> NamingGenerator:
    generator = NamingGenerator(plan.model)
    render_with(plan, folder, (heard if heard is not None else []).append, generator=generator)
    return generator


def ten() -> list[Shot]:
    """An opening that the nine others remember."""
    later = [f"shot-{number}" for number in range(4, 11)]
    rest = [shot(id, f"{id} as in opening") for id in ("second", "third", *later)]
    return [shot("opening"), *rest]


def actions(plan: Plan, folder: Path) -> dict[str, str]:
    return {item.job.shot: item.action for item in forecast(plan, Run.open(folder))}


def test_edit_of_an_unremembered_shot_renders_one_shot(folder: Path) -> None:
    plan = plan_of(*ten())
    render_named(plan, folder)
    before = latents_of(folder)
    edited = change(plan, "third", resolved_caption="third by night as in opening")
    assert list(actions(edited, folder).values()) == ["keep"] * 2 + ["render"] + ["undecided"] * 7
    heard: list[Event] = []
    generator = render_named(edited, folder, heard)
    assert generator.made == ["third"]
    assert generator.recalled == [f"shot-{number}" for number in range(4, 11)]
    kept = {event.shot: event.reason for event in heard if isinstance(event, events.ShotKept)}
    assert kept["opening"] == "kept"
    assert kept["shot-4"] == "kept: still remembers opening[1,0]"
    after = latents_of(folder)
    assert [id for id in after if after[id] != before[id]] == ["third"]


def test_confirmed_take_needs_no_model_afterwards(folder: Path) -> None:
    plan = plan_of(*ten())
    render_named(plan, folder)
    edited = change(plan, "third", resolved_caption="other as in opening")
    render_named(edited, folder)
    assert set(actions(edited, folder).values()) == {"keep"}
    generator = render_named(edited, folder)
    assert (generator.made, generator.recalled) == ([], [])
    assert (render_named(plan, folder).made, find_damage(Run.open(folder))) == ([], ())


def test_reused_take_records_the_new_memory(folder: Path) -> None:
    plan = plan_of(*ten()[:4])
    render_named(plan, folder)
    render_named(change(plan, "third", resolved_caption="other as in opening"), folder)
    run = Run.open(folder)
    again, first = run.takes_by_shot()["shot-4"].takes
    third = latents_of(folder)["third"]
    assert again.record.memory.visible["third"] == third != first.record.memory.visible["third"]
    assert str(again.record.reason) == "kept: still remembers opening[1,0]"
    assert [frame.digest for frame in again.record.memory.selected] == [latents_of(folder)["opening"]] * 2
    assert set(again.record.memory.scores) == {"opening", "second", "third"}
    for name in (CLIP, LATENTS):
        assert (again.folder / name).samefile(first.folder / name)
    logged = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in logged if line.get("shot") == "shot-4" and line["event"] == "ShotKept"] == [
        str(again.record.reason)
    ]


def test_edit_renders_only_the_shots_that_remember_it(folder: Path) -> None:
    shots = [shot("opening"), shot("city"), shot("a", "a as in opening"), shot("b", "b as in city")]
    plan = plan_of(*shots, shot("c", "c as in b"), shot("d", "d as in opening"))
    render_named(plan, folder)
    heard: list[Event] = []
    generator = render_named(change(plan, "city", resolved_caption="city by day"), folder, heard)
    assert generator.made == ["city", "b", "c"]
    reasons = {event.shot: event.reason for event in heard if isinstance(event, events.ShotStarted)}
    assert reasons["b"] == "memory changed: city[1,0] differs"
    assert reasons["c"] == "memory changed: b[1,0] differs"


def test_new_shot_in_the_selection_is_a_reason_to_render(folder: Path) -> None:
    shots = [shot("opening"), shot("city"), shot("return", "return as in opening night")]
    render_named(plan_of(*shots), folder)
    heard: list[Event] = []
    generator = render_named(plan_of(shots[0], shot("night"), *shots[1:]), folder, heard)
    assert generator.made == ["night", "city", "return"]
    started = {event.shot: event.reason for event in heard if isinstance(event, events.ShotStarted)}
    assert started["return"] == "memory changed: no longer selects opening[0]; selects night[1]"


@pytest.mark.parametrize("how", ["insert", "remove", "reorder", "rename"])
def test_insert_remove_reorder_and_rename(folder: Path, how: str) -> None:
    shots = ten()
    render_named(plan_of(*shots), folder)
    if how == "insert":
        shots.insert(2, shot("between", "between as in opening"))
    elif how == "remove":
        del shots[2]
    elif how == "reorder":
        shots[2], shots[5] = shots[5], shots[2]
    else:
        shots[2] = shot("newly-named", shots[2].caption)
    generator = render_named(plan_of(*shots), folder)
    assert generator.made == (["between"] if how == "insert" else [])
    assert actions(plan_of(*shots), folder) == {item.id: "keep" for item in shots}
    assert render_named(plan_of(*shots), folder).recalled == []


def test_renamed_shot_keeps_take_and_seed_until_it_is_edited(folder: Path) -> None:
    render_named(plan_of(shot("opening", "a beach"), shot("return", "back as in opening")), folder)
    before = latents_of(folder)
    renamed = plan_of(shot("prologue", "a beach"), shot("return", "back as in opening"))
    assert render_named(renamed, folder).made == []
    assert latents_of(folder) == {"prologue": before["opening"], "return": before["return"]}
    edited = change(renamed, "prologue", resolved_caption="a beach at night")
    assert actions(edited, folder)["prologue"] == "render"
    assert render_named(edited, folder).made[0] == "prologue"
    assert set(actions(edited, folder).values()) == {"keep"}


def test_one_of_two_equal_shots_continues_the_renamed_one(folder: Path) -> None:
    blind = MemoryRequest(sources=())
    render_named(plan_of(shot("old", "a beach")), folder)
    plan = plan_of(shot("a", "a beach"), shot("b", "a beach", memory=blind))
    assert render_named(plan, folder).made == ["b"]
    assert len(set(latents_of(folder).values())) == 2


def test_another_story_seed_is_not_a_rename(folder: Path) -> None:
    render_named(plan_of(shot("opening", "a beach")), folder)
    assert render_named(plan_of(shot("prologue", "a beach"), seed=8), folder).made == ["prologue"]


def test_the_log_and_the_record_hold_the_same_reason(folder: Path) -> None:
    shots = [shot("opening"), shot("city"), shot("a", "a as in opening"), shot("b", "b as in city")]
    plan = plan_of(*shots)
    render_named(plan, folder)
    edited = change(plan, "city", resolved_caption="city by day")
    render_named(plan_of(shot("night"), *edited.story.shots), folder)
    logged = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    last = {line["shot"]: line["reason"] for line in logged if line["event"] in ("ShotStarted", "ShotKept")}
    takes = {name: shot_takes.takes[0] for name, shot_takes in Run.open(folder).takes_by_shot().items()}
    assert last == {name: str(take.record.reason) for name, take in takes.items()}
    assert last["opening"] == "memory changed: sees night now, nothing before"
    assert last["b"] == "memory changed: city[1,0] differs"
