"""The policy of examples/plugin, a package of its own: plan, render, resume, batch and keys all honour it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onestory_cli.batch.films import list_films, prepare
from onestory_cli.batch.plan_films import plan_films
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, ShotKept, ShotStarted
from onestory_cli.importers import import_story
from onestory_cli.memory.policies import POLICIES
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.render import render
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.report.data import read_film
from onestory_cli.schedulers import SCHEDULERS
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.films import NumpyGenerator
from tests.plugins import EXAMPLE, Install, install

__all__ = ["install"]


@pytest.fixture
def story(tmp_path: Path) -> Path:
    return Path(shutil.copy(EXAMPLE / "film.story.yaml", tmp_path))


def rendered(plan: Plan, run: Run) -> dict[str, str]:
    """The shots of a render, and why they were rendered; "kept" for others."""
    seen: dict[str, str] = {}

    def note(event: Event) -> None:
        if isinstance(event, ShotStarted | ShotKept):
            seen[event.shot] = "kept" if isinstance(event, ShotKept) else str(event.reason)

    render(plan, run, lambda: NumpyGenerator(plan.model), note)
    return seen


def test_without_the_package_the_policy_is_unknown(story: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        compile_story(story)
    (finding,) = caught.value.diagnostics
    assert finding.code == "S123"
    assert all(name in finding.message for name in POLICIES.builtin)
    assert "one-per-shot" not in ", ".join(POLICIES)


def test_plan_render_resume_and_an_update_of_the_package(install: Install, story: Path, tmp_path: Path) -> None:
    install()
    plan, _ = compile_story(story)
    assert {job.memory.policy for job in plan.jobs} == {"one-per-shot"}
    run = Run.create(tmp_path / "film.run")
    assert "kept" not in rendered(plan, run).values()

    resumed = load_run_plan(run)
    assert [job.memory.policy for job in resumed.jobs] == ["one-per-shot"] * 3
    assert rendered(resumed, run) == dict.fromkeys(("opening", "trees", "return"), "kept")
    (take,) = run.takes_by_shot()["return"].takes
    assert [frame.source for frame in take.record.memory.selected][:2] in (["opening", "trees"], ["trees", "opening"])
    assert str(take.record.spec["memory_policy"]).startswith("one-per-shot (onestory-one-per-shot 0.1.0, ")
    assert find_damage(run, run.takes_by_shot()) == ()

    install(version="0.2.0")
    newer, _ = compile_story(story)
    seen = rendered(newer, run)
    assert seen["opening"] == "kept"  # remembers nothing
    assert "kept" not in (seen["trees"], seen["return"])


def test_scheduler_importer_and_model_of_the_package(install: Install, story: Path) -> None:
    install()
    scheduler = SCHEDULERS["linear"](4, 3.0, "cpu")
    assert [round(float(sigma), 3) for sigma in scheduler.sigmas] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert SCHEDULERS.identity("linear").startswith("linear (onestory-one-per-shot 0.1.0, ")
    imported = import_story(b"Pier\nA red fox walks.\nA red fox waves.\n", "pier.beats")
    assert (imported.format, imported.draft.title, len(imported.draft.shots)) == ("beats", "Pier", 2)
    story.write_text(f"{story.read_text()}\nmodel: storyworld-quick\n")
    plan, _ = compile_story(story)
    assert (plan.model.name, {job.steps for job in plan.jobs}) == ("storyworld-quick", {4})


def test_a_batch_honours_the_policy(
    install: Install, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()

    def load(spec: ModelSpec, *_: object, **__: object) -> NumpyGenerator:
        return NumpyGenerator(spec)

    monkeypatch.setattr("onestory_cli.batch.render_story.load_generator", load)
    planned = plan_films(list_films([story], tmp_path / "out", seeds=[1, 2]), allow_outside=False).planned
    for item in planned:
        prepare(item.film, item.plan)
        assert render_story(item.film.run, ModelCache(WorkerConfig(device="cpu", threads=1))).state == "done"
        report = read_film(Run.open(item.film.run))
        assert report.shots[-1].memory.policy == "one-per-shot"
