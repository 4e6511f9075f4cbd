"""Interrupted stages end with the same weights as uninterrupted ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from onestory_cli.events import Emit, Event, StageFinished, StageStarted, TrainingProgress, Warned, ignore
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.checkpoint import load_checkpoint
from onestory_cli.training.data import LatentData, PixelData
from onestory_cli.training.loop import run_stage
from onestory_cli.training.objective import ShotObjective
from onestory_cli.training.optim import named_weights
from onestory_cli.training.probes.labels import LOOK_CLASSES, WordProbe
from onestory_cli.training.probes.token_probe import TokenProbe
from onestory_cli.training.recipe import Stage
from onestory_cli.training.vae_objective import VaeObjective
from tests.tiny import tiny_built, tiny_recipe

COMMON: dict[str, Any] = {"steps": 4, "batch": 2, "rate": 1e-2, "matrix_rate": 1e-2, "warmup": 2, "ema": 0.9}
STAGES = {
    "vae": Stage(name="vae", kind="vae", frames=5, **COMMON),
    "base-image": Stage(name="pictures", kind="base", target="image", **COMMON),
    "base-shot": Stage(name="plain", kind="base", target="shot", first_frame=0.5, **COMMON),
    "adapter-image": Stage(name="recall", kind="adapter", target="image", earlier=(1, 1, 1), memory=0.7, **COMMON),
    "adapter-shot": Stage(name="shots", kind="adapter", target="shot", conditioning="selector", **COMMON),
    "adapter-looks": Stage(
        name="bound", kind="adapter", target="shot", looks_weight=1, roles_weight=1, words_weight=1, **COMMON
    ),
}


class Data:
    """The training data of the stages; `run` trains with new objects each time."""

    def __init__(self, pixels: PixelData, latents: LatentData) -> None:
        self.pixels, self.latents = pixels, latents

    def run(
        self, stage: Stage, folder: Path, emit: Emit = ignore, *, dtype: str = "float32", **settings: Any
    ) -> dict[str, nn.Module]:
        """Train a stage and return its modules."""
        folder.mkdir(exist_ok=True)
        model = tiny_built()
        modules = modules_of(model, stage)
        readers = {"looks": TokenProbe(32, LOOK_CLASSES)} if stage.looks_weight else {}
        words = WordProbe(16) if stage.looks_weight else None
        modules |= {**readers, "words": words} if words else {}
        objective = (
            VaeObjective(model=model, data=self.pixels, stage=stage)
            if stage.kind == "vae"
            else ShotObjective(model=model, data=self.latents, stage=stage, readers=readers, words=words)
        )
        recipe = replace(tiny_recipe(stage, checkpoint_every=2), dtype=dtype)
        run_stage(recipe, 0, modules, objective, folder, emit, **settings)
        return modules


def modules_of(model: LoadedModel, stage: Stage) -> dict[str, nn.Module]:
    if stage.kind == "vae":
        return {"vae": model.codec.vae}
    base = {"transformer": model.transformer, "text_encoder": model.text.encoder}
    return base if stage.kind == "base" else {**base, "selector": model.selector, "conditioner": model.conditioner}


def interrupt(step: int) -> Emit:
    def listen(event: Event) -> None:
        if isinstance(event, TrainingProgress) and event.step == step:
            raise KeyboardInterrupt

    return listen


def stored(folder: Path, stage: Stage) -> dict[str, Any]:
    """The stage's last checkpoint."""
    state = load_checkpoint(folder / "checkpoints" / f"{stage.name}.pt")
    assert state is not None
    return state


def weights_of(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in named_weights(modules)}


def log_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def data(pixels: PixelData, latents: LatentData) -> Data:
    return Data(pixels, latents)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@pytest.mark.slow
def test_interrupted_stage_ends_like_an_uninterrupted_one(tmp_path: Path, data: Data, stage: Stage) -> None:
    whole = weights_of(data.run(stage, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        data.run(stage, tmp_path / "parts", interrupt(3))
    assert stored(tmp_path / "parts", stage)["step"] == 2
    torch.manual_seed(99)
    heard: list[Event] = []
    parts = weights_of(data.run(stage, tmp_path / "parts", heard.append))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert log_of(tmp_path / "parts") == log_of(tmp_path / "whole")
    assert [event.step for event in heard if isinstance(event, StageStarted)] == [2]
    fresh = weights_of(modules_of(tiny_built(), stage))
    assert sum(not torch.equal(fresh[name], whole[name]) for name in fresh) > len(fresh) / 2


def test_stage_interrupted_after_its_last_step_only_writes_its_result(tmp_path: Path, data: Data) -> None:
    stage = STAGES["base-image"]
    whole = weights_of(data.run(stage, tmp_path))
    (tmp_path / "stages" / "pictures.safetensors").unlink()
    heard: list[Event] = []
    again = weights_of(data.run(stage, tmp_path, heard.append))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not any(isinstance(event, TrainingProgress) for event in heard)
    assert len(log_of(tmp_path)) == 4


def test_stage_stores_averaged_weights_in_modules_and_file(tmp_path: Path, data: Data) -> None:
    weights = weights_of(data.run(STAGES["base-image"], tmp_path))
    saved = load_file(tmp_path / "stages" / "pictures.safetensors")
    assert weights.keys() == saved.keys()
    assert all(torch.equal(weights[name], saved[name]) for name in weights)
    last = stored(tmp_path, STAGES["base-image"])["modules"]["transformer"]
    assert not torch.equal(last["blocks.0.attn1.to_q.weight"], weights["transformer.blocks.0.attn1.to_q.weight"])


def test_samples_use_averaged_weights_and_change_nothing(tmp_path: Path, data: Data) -> None:
    stage = replace(STAGES["base-image"], sample_every=2)
    seen: list[int] = []
    whole = weights_of(data.run(STAGES["base-image"], tmp_path / "plain"))
    sampled = weights_of(data.run(stage, tmp_path / "sampled", sample=seen.append))
    assert seen == [2, 4]
    assert all(torch.equal(whole[name], sampled[name]) for name in whole)


def test_events_and_log_cover_every_step(tmp_path: Path, data: Data) -> None:
    heard: list[Event] = []
    data.run(STAGES["base-image"], tmp_path, heard.append)
    started, *steps, finished = heard
    assert isinstance(started, StageStarted)
    assert (started.stage, started.step, started.steps) == ("pictures", 0, 4)
    assert started.parameters > 10_000
    assert isinstance(finished, StageFinished)
    progress = [event for event in steps if isinstance(event, TrainingProgress)]
    assert [event.step for event in progress] == [1, 2, 3, 4]
    assert progress[0].seconds_left >= progress[-1].seconds_left == 0
    for event, line in zip(progress, log_of(tmp_path), strict=True):
        assert line == {"stage": "pictures", "step": event.step, **event.losses}
        assert set(event.losses) == {"flow_alone", "loss"}


def test_log_of_other_stages_is_kept(tmp_path: Path, data: Data) -> None:
    lines = ['{"stage": "vae", "step": 9}', '{"stage": "pictures", "step": 3}', '{"stage": "pic']
    tmp_path.joinpath("log.jsonl").write_text("\n".join(lines))
    data.run(STAGES["base-image"], tmp_path)
    assert [(line["stage"], line["step"]) for line in log_of(tmp_path)] == [
        ("vae", 9),
        *(("pictures", step) for step in (1, 2, 3, 4)),
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_processor_without_bfloat16_trains_in_float32_with_a_warning(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    def warnings(fast: bool) -> list[str]:
        heard: list[Event] = []
        monkeypatch.setattr("onestory_cli.training.loop.is_fast_in_bfloat16", lambda device: fast)
        data.run(replace(STAGES["base-image"], steps=1), tmp_path / str(fast), heard.append, dtype=dtype)
        return [f"{event.code} {event.message}" for event in heard if isinstance(event, Warned)]

    assert warnings(True) == []
    warning = "W331 stage pictures: this processor does not support bfloat16; training in float32"
    assert warnings(False) == ([warning] if dtype == "bfloat16" else [])
