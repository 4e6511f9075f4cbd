"""Several takes of a shot, of which one is accepted and remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.render import RenderOptions
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store import prune
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import acceptable_take, find_take, list_takes
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import lock_run
from tests.films import NamingGenerator, change, latents_of, plan_of, render_with, shot


@pytest.fixture
def plan() -> Plan:
    return plan_of(shot("opening"), shot("city"), shot("a", "a as in opening"), shot("b", "b as in city"))


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> Path:
    render(plan, tmp_path / "film.run")
    return tmp_path / "film.run"


def render(plan: Plan, folder: Path, **options: object) -> list[str]:
    return render_with(plan, folder, generator=NamingGenerator(plan.model), **options).made


def new(
    plan: Plan, folder: Path, shot: str, *, count: int = 1, seed: int | None = None, **options: int
) -> tuple[Take, ...]:
    return make_takes(
        plan,
        Run.open(folder),
        lambda: NamingGenerator(plan.model),
        shot=shot,
        count=count,
        seed=seed,
        options=RenderOptions(**options),
    )


def accept(plan: Plan, folder: Path, shot: str, which: str, *, chosen: bool = False) -> None:
    run = Run.open(folder)
    with lock_run(run) as writer:
        writer.accept(shot, acceptable_take(plan, run, shot, which), chosen=chosen)


def test_new_takes_leave_the_accepted_one(plan: Plan, folder: Path) -> None:
    before = latents_of(folder)
    assert render(plan, folder, takes={"city": 3}) == ["city", "city"]
    assert latents_of(folder) == before
    found = list_takes(plan, Run.open(folder), "city")
    assert [(item.take.record.take, item.accepted, item.fits) for item in found] == [
        (0, True, True),
        (1, False, True),
        (2, False, True),
    ]
    assert len({item.take.digest for item in found}) == 3
    assert render(plan, folder, takes={"city": 3}) == []


def test_new_take_has_the_next_number_and_the_given_seed(plan: Plan, folder: Path) -> None:
    first, second = new(plan, folder, "b", count=2)
    (third,) = new(plan, folder, "b", seed=99)
    assert [take.record.take for take in (first, second, third)] == [1, 2, 3]
    assert (third.record.spec["seed"], third.record.own_seed, first.record.own_seed) == (99, 99, None)


def test_seeds_wrap_around(plan: Plan, folder: Path) -> None:
    takes = new(plan, folder, "city", count=2, seed=2**63 - 1)
    assert [take.record.spec["seed"] for take in takes] == [2**63 - 1, 0]


def test_accepting_a_take_renders_only_shots_that_remember_it(plan: Plan, folder: Path) -> None:
    before = latents_of(folder)
    (take,) = new(plan, folder, "city", seed=99)
    accept(plan, folder, "city", "1")
    assert render(plan, folder) == ["b"]
    after = latents_of(folder)
    assert (after["city"], after["opening"], after["a"]) == (take.digest, before["opening"], before["a"])
    assert render(plan, folder) == []
    accept(plan, folder, "city", "0")
    assert render(plan, folder) == []
    assert latents_of(folder) == before


def test_edit_keeps_number_and_seed_of_the_accepted_take(plan: Plan, folder: Path) -> None:
    new(plan, folder, "city", seed=99)
    accept(plan, folder, "city", "1")
    render(plan, folder)
    edited = change(plan, "city", resolved_caption="city by day")
    assert render(edited, folder) == ["city", "b"]
    record = find_take(edited, Run.open(folder), "city", None).record
    assert (record.take, record.spec["seed"]) == (1, 99)
    assert render(edited, folder) == []


def renamed(plan: Plan, old: str, new: str, **fields: object) -> Plan:
    """The plan of the same story with a shot called otherwise."""
    shots = [replace(item, id=new, **fields) if item.id == old else item for item in plan.story.shots]
    return plan_of(*shots)


@pytest.mark.parametrize("first", ["frozen", "stopped", "asked", "until"])
@pytest.mark.slow
def test_renamed_shot_keeps_its_chosen_take_after_any_stop(plan: Plan, folder: Path, first: str) -> None:
    new(plan, folder, "city")
    accept(plan, folder, "city", "1")
    render(plan, folder)
    chosen = latents_of(folder)["city"]
    town, run = renamed(plan, "city", "town"), Run.open(folder)
    if first == "frozen":
        with lock_run(run) as writer:
            writer.freeze(town)
    elif first == "stopped":
        with pytest.raises(KeyboardInterrupt):
            render(town, folder, force=("opening",), stop=lambda: True)
    elif first == "asked":
        with pytest.raises(OnestoryError):
            render(change(town, "opening", accept="ask", resolved_caption="other words"), folder)
    else:
        part, _ = make_plan(town.story, town.model, model_fingerprint=town.model_fingerprint, until="opening")
        render(part, folder)
    assert chosen not in [take.digest for take in prune.unused(town, run).takes]
    assert find_damage(run) == ()
    render(town, folder)
    assert latents_of(folder)["town"] == chosen
    assert set(run.accepted()) == {"opening", "town", "a", "b"}


@pytest.mark.parametrize("seed", [None, 99])
def test_renamed_shot_keeps_its_acceptance(tmp_path: Path, seed: int | None) -> None:
    asking, folder = plan_of(shot("opening", accept="ask"), shot("return", "as in opening")), tmp_path / "film.run"
    with pytest.raises(OnestoryError):
        render(asking, folder)
    new(asking, folder, "opening", **({} if seed is None else {"seed": seed}))
    accept(asking, folder, "opening", "1", chosen=True)
    render(asking, folder)
    before = latents_of(folder)["opening"]
    assert render(renamed(asking, "opening", "prologue"), folder) == []
    assert latents_of(folder)["prologue"] == before
    assert Run.open(folder).accepted()["prologue"].chosen
    assert render(renamed(asking, "opening", "prologue", accept="first"), folder) == []
    assert Run.open(folder).accepted()["prologue"].chosen


def test_renamed_shot_keeps_a_choice_with_new_memory(plan: Plan, folder: Path) -> None:
    new(plan, folder, "b")
    accept(plan, folder, "b", "1", chosen=True)
    render(plan, folder)
    plan = change(renamed(plan, "b", "last"), "a", resolved_caption="other words as in opening")
    assert render(plan, folder, retry_bad=1) == ["a"]
    entry = Run.open(folder).accepted()["last"]
    assert (entry.take, entry.chosen) == (1, True)


def test_missing_or_unfit_takes_are_refused(plan: Plan, folder: Path) -> None:
    edited = change(plan, "city", resolved_caption="city by day")
    run = Run.open(folder)
    for story, which in ((plan, "7"), (plan, "ffffffff"), (edited, "0")):
        with pytest.raises(OnestoryError) as caught:
            acceptable_take(story, run, "city", which)
        assert (caught.value.code, caught.value.exit) == ("R411", ExitCode.USAGE)


def test_take_of_the_story_seed_does_not_fit_a_shot_with_its_own_seed(plan: Plan, folder: Path) -> None:
    new(plan, folder, "city")
    new(plan, folder, "city", seed=99)
    given = change(plan, "city", seed=plan.story.seed)
    found = list_takes(given, Run.open(folder), "city")
    assert [item.fits for item in found] == [False, True, True]  # take 1 derives from 7 either way
    with pytest.raises(OnestoryError, match="another version of the shot"):
        acceptable_take(given, Run.open(folder), "city", "0")
    for which in ("1", "2"):
        accept(given, folder, "city", which)
        assert "city" not in render(given, folder)


def test_a_new_take_needs_what_it_can_see(plan: Plan, tmp_path: Path) -> None:
    render(replace(plan, jobs=plan.jobs[:1]), tmp_path / "part.run")
    with pytest.raises(OnestoryError) as caught:
        new(plan, tmp_path / "part.run", "b")
    assert caught.value.code == "R412"


def test_accept_ask_stops_the_run_until_a_take_is_accepted(tmp_path: Path) -> None:
    asking = plan_of(shot("opening", accept="ask"), shot("return", "back as in opening"))
    folder = tmp_path / "film.run"
    for _ in range(2):
        with pytest.raises(OnestoryError) as caught:
            render(asking, folder, takes={"opening": 2})
        assert (caught.value.code, caught.value.exit) == ("R410", ExitCode.PARTIAL)
        assert f"onestory take accept {folder} opening 0 && onestory resume {folder}" in caught.value.help
    accept(asking, folder, "opening", "1")
    assert render(asking, folder) == ["return"]
    assert find_take(asking, Run.open(folder), "opening", None).record.take == 1
    with pytest.raises(OnestoryError):
        render(change(asking, "opening", resolved_caption="other words"), folder)
