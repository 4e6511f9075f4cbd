"""Imported takes: remembered by later shots, and kept whatever changes except their length and size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.conform import ConformRules
from onestory_cli.media.mux import read_metadata
from onestory_cli.media.video import write_clip
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.import_clip import import_clip
from onestory_cli.rendering.join import KEY, Provenance
from onestory_cli.store.reuse import forecast
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import list_takes
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import find_damage
from tests.films import NumpyGenerator, change, latents_of, plan_of, render_with, shot


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (5, 32, 32, 3), np.uint8)
    write_clip(tmp_path / "camera.mp4", pixels, fps=8)
    return tmp_path / "camera.mp4"


@pytest.fixture
def plan() -> Plan:
    return plan_of(shot("opening"), shot("city"), shot("return"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "film.run"


def import_into(plan: Plan, folder: Path, clip: Path, *, shot: str = "city", accept: bool = True) -> Take:
    generator = NumpyGenerator(plan.model)
    return import_clip(plan, Run(folder), lambda: generator, shot=shot, clip=clip, rules=ConformRules(), accept=accept)


def actions(plan: Plan, folder: Path) -> list[str]:
    return [decision.action for decision in forecast(plan, Run.open(folder))]


def test_a_clip_can_be_imported_before_anything_is_rendered(plan: Plan, folder: Path, clip: Path) -> None:
    take = import_into(plan, folder, clip)
    assert take.record.imported is not None
    assert (take.record.imported.name, take.record.memory.visible) == ("camera.mp4", {})
    assert render_with(plan, folder).made == ["opening", "return"]
    assert latents_of(folder)["city"] == take.digest
    assert render_with(plan, folder).made == []


def test_later_shots_remember_an_imported_take(plan: Plan, folder: Path, clip: Path) -> None:
    render_with(plan, folder)
    before = latents_of(folder)
    import_into(plan, folder, clip)
    render_with(plan, folder)
    after = latents_of(folder)
    returned = next(item for item in list_takes(plan, Run.open(folder), "return") if item.accepted)
    assert returned.take.record.memory.visible["city"] == after["city"] != before["city"]


def test_an_imported_take_survives_edits_of_its_caption_and_memory(plan: Plan, folder: Path, clip: Path) -> None:
    import_into(plan, folder, clip)
    render_with(plan, folder)
    edited = change(change(plan, "city", resolved_caption="a town"), "opening", resolved_caption="a field")
    assert actions(edited, folder)[1] == "keep"
    assert "city" not in render_with(edited, folder).made
    assert actions(change(plan, "city", frames=9), folder)[1] == "render"


def test_an_imported_take_survives_a_new_id_of_its_shot(plan: Plan, folder: Path, clip: Path) -> None:
    import_into(plan, folder, clip)
    render_with(plan, folder)
    shots = tuple(replace(item, id="town") if item.id == "city" else item for item in plan.story.shots)
    renamed, _ = make_plan(replace(plan.story, shots=shots), plan.model, model_fingerprint=plan.model_fingerprint)
    assert actions(renamed, folder)[1] == "keep"


def test_an_imported_take_counts_only_if_it_is_accepted(plan: Plan, folder: Path, clip: Path) -> None:
    render_with(plan, folder)
    before = latents_of(folder)
    import_into(plan, folder, clip, accept=False)
    assert render_with(plan, folder).made == []
    assert latents_of(folder) == before
    found = list_takes(plan, Run.open(folder), "city")
    assert [(item.take.record.take, item.accepted, item.fits) for item in found] == [(0, True, True), (1, False, True)]


def test_a_forced_shot_is_generated_and_the_import_stays(plan: Plan, folder: Path, clip: Path) -> None:
    imported = import_into(plan, folder, clip)
    render_with(plan, folder)
    assert "city" in render_with(plan, folder, force=["city"]).made
    assert latents_of(folder)["city"] != imported.digest
    run = Run.open(folder)
    assert imported.id in [item.take.id for item in list_takes(plan, run, "city")]
    assert find_damage(run, run.takes_by_shot()) == ()


def test_the_film_names_its_imported_clips(plan: Plan, folder: Path, clip: Path) -> None:
    take = import_into(plan, folder, clip)
    render_with(plan, folder)
    shots = Provenance.from_metadata({KEY: read_metadata(folder / "film.mp4")[KEY]}).shots
    assert take.record.imported is not None
    assert [item.get("imported") for item in shots] == [
        None,
        {"name": "camera.mp4", "sha256": take.record.imported.sha256},
        None,
    ]


def test_a_clip_that_does_not_fit_changes_nothing(plan: Plan, folder: Path, clip: Path) -> None:
    with pytest.raises(OnestoryError, match="too short"):
        import_into(change(plan, "city", frames=17), folder, clip)
    assert not folder.exists()
