"""Presets: published LoRA files with their sampling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from onestory_cli.errors import OnestoryError
from onestory_cli.models.availability import require_weights
from onestory_cli.models.bases import BASES, T2V_A14B
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.model import TRAIN_TIMESTEPS, Denoiser
from onestory_cli.models.presets import PRESETS, preset_for
from onestory_cli.planning.assets import with_loras
from onestory_cli.planning.planner import make_plan
from onestory_cli.planning.serialize import story_text
from onestory_cli.story.load import read_story
from tests.bases import base_folder
from tests.models.test_lora import weights

__all__ = ["base_folder"]

PROFILES = """\
defaults: {steps: 30, guidance: 7, seed: 5}
profiles:
  fast: {preset: lightx2v-4step, seed: 3}
shots:
  - {id: opening, caption: A red fox walks right.}
  - {id: close, caption: A red fox waves., guidance: 2}
"""
STORY = "story: 1\ntitle: Ink\nmodel: wan2.2-t2v-a14b\n" + PROFILES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub with the preset's files for the tiny A14B base."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_preset(cache: Path) -> None:
    for seed, lora in enumerate(PRESETS["lightx2v-4step"][T2V_A14B.name].loras):
        root = cache / f"models--{lora.hub.replace('/', '--')}"
        file = root / "snapshots" / "0123" / lora.file
        file.parent.mkdir(parents=True, exist_ok=True)
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / "main").write_text("0123")
        save_file(weights("original", seed=seed), file)


@pytest.mark.parametrize("name", [(preset, base) for preset, rows in PRESETS.items() for base in rows])
def test_presets_name_rows_of_the_catalog(name: tuple[str, str]) -> None:
    preset, base = name
    found = preset_for(preset, BASES[base])
    assert found is PRESETS[preset][base]
    assert {lora.expert for lora in found.loras} == ({"both"} if BASES[base].experts == 1 else {"high", "low"})
    assert all(lora.file.endswith(".safetensors") for lora in found.loras)


def test_a_preset_replaces_defaults_but_not_what_a_shot_says(cache: Path) -> None:
    story, _ = read_story(STORY.encode(), "film.story.yaml", profile="fast")
    plan, _ = make_plan(story, with_loras(BASES["wan2.2-t2v-a14b"], story))
    opening, close = plan.jobs
    found = (opening.steps, opening.guidance, opening.guidance_2, opening.scheduler, opening.shift)
    assert found == (4, 1.0, 1.0, "euler", 5.0)
    assert (close.steps, close.guidance, close.guidance_2) == (4, 2.0, 2.0)
    assert story.seed == 3
    story, _ = read_story(STORY.encode(), "film.story.yaml")
    plan, _ = make_plan(story, with_loras(BASES["wan2.2-t2v-a14b"], story))
    assert (plan.jobs[0].steps, plan.jobs[0].guidance, plan.model.files.loras) == (30, 7.0, ())


def test_fastwan_fills_in_its_sampling_and_refuses_other_steps() -> None:
    text = STORY.replace("wan2.2-t2v-a14b", "wan2.2-ti2v-5b").replace("lightx2v-4step", "fastwan")
    story, _ = read_story(text.encode(), "film.story.yaml", profile="fast")
    spec = with_loras(BASES["wan2.2-ti2v-5b"], story)
    plan, _ = make_plan(story, spec)
    opening, close = plan.jobs
    assert (opening.steps, opening.guidance, opening.scheduler, opening.shift) == (3, 1.0, "dmd", 8.0)
    assert close.guidance == 2.0
    assert [item.hub_file for item in spec.files.loras] == [PRESETS["fastwan"][spec.name].loras[0].file]
    assert 'scheduler: "dmd"' in (resolved := story_text(plan, names={}, seeds={})) or "scheduler: dmd" in resolved
    story, _ = read_story(text.replace("guidance: 2}", "steps: 8}").encode(), "film.story.yaml", profile="fast")
    with pytest.raises(OnestoryError) as caught:
        make_plan(story, with_loras(BASES["wan2.2-ti2v-5b"], story))
    assert caught.value.code == "S223"


def test_fastwan_is_not_applied_to_the_model_that_contains_it() -> None:
    base = BASES["wan2.2-ti2v-5b"]
    merged = "FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers"
    assert preset_for("fastwan", base.with_fields(name=merged, hub=merged)) is None
    assert preset_for("fastwan", base.with_fields(name="mine", hub="me/mine")) is PRESETS["fastwan"][base.name]


def test_four_steps_are_two_per_expert() -> None:
    for name in ("wan2.2-t2v-a14b", "wan2.2-i2v-a14b"):
        denoiser = Denoiser(spec=BASES[name], transformers=())
        preset = PRESETS["lightx2v-4step"][name]
        scheduler = denoiser.scheduler(preset.scheduler, preset.steps, preset.shift)
        steps = [1.0, 0.75, 0.5, 0.25]
        expected = [5 * step / (1 + 4 * step) * TRAIN_TIMESTEPS for step in steps]
        torch.testing.assert_close(scheduler.timesteps.tolist(), expected, rtol=1e-5, atol=1e-2)
        assert [denoiser.expert(timestep) for timestep in scheduler.timesteps] == [0, 0, 1, 1]


def test_a_plan_needs_no_weights_but_a_render_does(cache: Path, base_folder: Callable[[str], Path]) -> None:
    text = STORY.replace("wan2.2-t2v-a14b", str(base_folder("t2v-a14b")))
    story, _ = read_story(text.encode(), "film.story.yaml", profile="fast")
    spec = with_loras(find(story.model), story)
    assert fingerprint_of(spec) == ""
    with pytest.raises(OnestoryError, match="is not on this machine") as caught:
        require_weights(spec)
    assert caught.value.code == "M509"
    assert caught.value.help.startswith("run `onestory models fetch lightx2v/Wan2.2-Lightning --file Wan2.2-T2V")
    put_preset(cache)
    spec = with_loras(find(story.model), story)
    require_weights(spec)
    assert fingerprint_of(spec) not in ("", fingerprint_of(find(story.model)))


@pytest.mark.parametrize(
    ("model", "preset", "message"),
    [
        ("storyworld", "lightx2v-4step", 'was not trained for "storyworld"'),
        ("wan2.1-t2v-1.3b", "lightx2v-4step", "was not trained for"),
        ("storyworld", "fastwan", 'was not trained for "storyworld"'),
        ("wan2.1-t2v-1.3b", "fastwan", "was not trained for"),
        ("wan2.1-t2v-14b", "lightx2v-4steps", "unknown preset"),
    ],
)
def test_another_preset_is_refused_at_its_place(model: str, preset: str, message: str) -> None:
    text = STORY.replace("wan2.2-t2v-a14b", model).replace("lightx2v-4step", preset)
    story, _ = read_story(text.encode(), "film.story.yaml", profile="fast")
    with pytest.raises(OnestoryError, match=message) as caught:
        with_loras(BASES.get(model) or find(model), story)
    assert caught.value.code == "S159"
    assert caught.value.place is not None
    assert caught.value.place.line == 6


def test_the_resolved_story_names_the_files_of_the_preset(cache: Path) -> None:
    story, _ = read_story(STORY.encode(), "film.story.yaml", profile="fast")
    spec = BASES["wan2.2-t2v-a14b"]
    plan, _ = make_plan(story, with_loras(spec, story))
    again, _ = read_story(story_text(plan, names={}, seeds={}).encode(), "film.story.yaml")
    planned, _ = make_plan(again, with_loras(spec, again))
    assert planned.model.files == plan.model.files
    assert [job.guidance_2 for job in planned.jobs] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{hub: me/mine}", "S157"),
        ("{file: a.safetensors}", "S157"),
        ("{weight: 1}", "S157"),
        ("{path: a.safetensors, hub: me/mine}", "S132"),
    ],
)
def test_a_lora_has_one_file(entry: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"")
    text = STORY + f"lora: [{entry}]\n"
    with pytest.raises(OnestoryError) as caught:
        read_story(text.encode(), "film.story.yaml", folder=tmp_path)
    assert {item.code for item in caught.value.diagnostics if item.severity == "error"} == {code}


@pytest.mark.parametrize("file", ["../a.safetensors", "/a.safetensors", "a.pt", "x/../../a.safetensors"])
def test_a_file_of_the_hub_stays_in_its_repository(file: str) -> None:
    text = STORY + f"lora: [{{hub: me/mine, file: {file}}}]\n"
    with pytest.raises(OnestoryError, match="file"):
        read_story(text.encode(), "film.story.yaml")
