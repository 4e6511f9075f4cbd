"""The distil stage: the student follows its own path and learns the teacher's guided mean velocity."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from onestory_cli.errors import OnestoryError
from onestory_cli.events import Emit, Event, TrainingProgress, ignore
from onestory_cli.generation.denoise import DenoiseConfig, denoise, guided_velocity
from onestory_cli.models.catalog import ModelSpec, find
from onestory_cli.models.context_attention import IsolatedContextProcessor
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.training.data import LatentData
from onestory_cli.training.distil import DistilObjective
from onestory_cli.training.loop import run_stage
from onestory_cli.training.objective import step_generators
from onestory_cli.training.optim import named_weights
from onestory_cli.training.recipe import Stage
from onestory_cli.training.run import train
from onestory_cli.training.teacher import GuidedTeacher
from tests.tiny import tiny_built, tiny_recipe

pytestmark = pytest.mark.train

STAGE = Stage(
    name="few-steps",
    kind="distil",
    target="shot",
    steps=4,
    batch=2,
    rate=1e-2,
    warmup=1,
    memory=1.0,
    earlier=(0.0, 1.0),
    budgets=(2.0,),
    guidance=3.0,
    teacher_steps=1,
)
STEPS = 3


def objective_of(latents: LatentData, *, dtype: str = "float32", **fields: Any) -> DistilObjective:
    """An objective with a student and a teacher that start from the same weights."""
    model = tiny_built()
    model.denoiser.spec = replace(model.spec, steps=STEPS)
    copied = copy.deepcopy(model.transformer).eval().requires_grad_(False)
    teacher = replace(model, denoiser=replace(model.denoiser, transformers=(copied,)))
    return DistilObjective(student=model, teacher=teacher, data=latents, stage=replace(STAGE, **fields), dtype=dtype)


def losses_of(objective: DistilObjective, step: int = 0) -> list[float]:
    return [float(losses["loss"].detach()) for losses in objective(*step_generators(3, 0, step))]


def test_student_equal_to_unguided_teacher_has_no_loss(latents: LatentData) -> None:
    losses = losses_of(objective_of(latents, guidance=1.0))
    assert len(losses) == STEPS
    assert max(losses) < 1e-10


@pytest.mark.parametrize("fields", [{"guidance": 3.0}, {"guidance": 1.0, "memory_guidance": 2.0}])
def test_guidance_of_the_teacher_causes_the_loss(latents: LatentData, fields: dict[str, Any]) -> None:
    batches = [losses_of(objective_of(latents, full_caption=0.0, **fields), step) for step in range(4)]
    assert max(losses[0] for losses in batches) > 1e-6


def test_memory_guidance_is_off_for_shots_that_introduce_a_character(latents: LatentData) -> None:
    losses = losses_of(objective_of(latents, guidance=1.0, memory_guidance=2.0, full_caption=1.0))
    assert max(losses) < 1e-10


def test_target_is_guided_mean_velocity_over_a_step(latents: LatentData) -> None:
    objective = objective_of(latents, teacher_steps=2, inflation=0.0)
    rng, noise = step_generators(3, 0, 0)
    with torch.no_grad():
        batch = objective._batch(rng)
        conditions = objective._conditions(batch, rng, noise)
        start = torch.randn(batch.target_BCTHW.shape, generator=noise)
        target = objective.guided.mean_velocity(start, 1.0, 0.6, conditions, torch.zeros(STAGE.batch))
    schedule = DenoiseConfig(name="euler", steps=2, shift=1.0, guidance=3.0)
    moved = start
    with torch.inference_mode():
        for sigma in (1.0, 0.8):
            moved = moved - 0.2 * guided_velocity(
                objective.teacher.denoiser, moved, torch.tensor(sigma * 1000), conditions, schedule
            )
    torch.testing.assert_close(target, (moved - start) / -0.4, rtol=1e-4, atol=1e-4)


def test_latents_follow_the_student(latents: LatentData) -> None:
    """With unchanged weights, the path of the objective equals `denoise` without guidance."""
    objective = objective_of(latents)
    calls: list[Tensor] = []
    hook = objective.student.transformer.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].detach()))
    losses_of(objective)
    hook.remove()
    rng, noise = step_generators(3, 0, 0)
    batch = objective._batch(rng)
    with torch.no_grad():
        conditions = objective._conditions(batch, rng, noise)
    schedule = DenoiseConfig(name="euler", steps=STEPS, shift=objective.student.spec.shift, guidance=1.0)
    paths: list[Tensor] = []
    hook = objective.student.transformer.register_forward_pre_hook(lambda _, inputs: paths.append(inputs[0]))
    denoise(objective.student.denoiser, torch.randn(batch.target_BCTHW.shape, generator=noise), conditions, schedule)
    hook.remove()
    assert len(calls) == len(paths) == STEPS
    for call, path in zip(calls, paths, strict=True):
        torch.testing.assert_close(call, path, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_update_is_visible_in_the_next_step(latents: LatentData, dtype: str) -> None:
    """Autocast keeps cast weights until it exits, which must not hide the updates in between."""
    still, moving = objective_of(latents, dtype=dtype), objective_of(latents, dtype=dtype)
    before = losses_of(still)
    after = []
    for losses in moving(*step_generators(3, 0, 0)):
        after.append(float(losses["loss"].detach()))
        with torch.no_grad():
            moving.student.transformer.proj_out.weight.mul_(1.5)
    assert after[0] == before[0]
    assert all(one != other for one, other in zip(before[1:], after[1:], strict=True))


def run(latents: LatentData, folder: Path, emit: Emit = ignore) -> tuple[dict[str, Tensor], DistilObjective]:
    folder.mkdir(exist_ok=True)
    objective = objective_of(latents, memory=0.5)
    modules = {"transformer": objective.student.transformer}
    run_stage(tiny_recipe(objective.stage, checkpoint_every=2), 0, modules, objective, folder, emit)
    return {name: value.detach().clone() for name, value in named_weights(modules)}, objective


def test_interrupted_stage_ends_with_the_same_weights(latents: LatentData, tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, TrainingProgress) and event.step == 3:
            raise KeyboardInterrupt

    whole, objective = run(latents, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(latents, tmp_path / "parts", listen)
    parts, _ = run(latents, tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    fresh, kept = tiny_built().transformer.state_dict(), objective.teacher.transformer.state_dict()
    assert all(torch.equal(fresh[name], kept[name]) for name in fresh)
    assert not torch.equal(whole["transformer.proj_out.weight"], fresh["proj_out.weight"])


def test_student_approaches_the_teacher(latents: LatentData, tmp_path: Path) -> None:
    stage = replace(STAGE, steps=30, rate=3e-3, cooldown=0.0)
    objective = replace(objective_of(latents), stage=stage)
    means: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, TrainingProgress):
            means.append(event.losses["loss"])

    modules = {"transformer": objective.student.transformer}
    run_stage(tiny_recipe(stage), 0, modules, objective, tmp_path, listen)
    assert sum(means[-5:]) < 0.8 * sum(means[:5])


RECIPE = """\
name: quick
start: {start}
seed: 5
dtype: float32
compile: false
world: {{size: 64, frames: 5}}
data: {{stories: 2, vae_stories: 1, shots: 3}}
model: {{name: quick, sampling: {{steps: 3, guidance: 1.0, shift: 2.0, scale: 4}}}}
stages: [{{name: few-steps, kind: distil, target: shot, steps: 1, batch: 2, rate: 0.01, guidance: 2.0}}]
"""


def test_recipe_can_start_from_a_model(tiny_folder: Path, tiny_model: LoadedModel, tmp_path: Path) -> None:
    recipe = tmp_path / "quick.yaml"
    recipe.write_text(RECIPE.format(start=tiny_folder))
    model = load_model(find(str(train(recipe, tmp_path / "out"))), "cpu")
    assert (model.spec.steps, model.spec.guidance, model.spec.memory_guidance, model.spec.scale) == (3, 1.0, 0.0, 4)
    assert model.spec.distilled
    assert model.spec.words == tiny_model.spec.words
    for path in ("text_encoder/model", "vae/diffusion_pytorch_model", "adapter/adapter"):
        file = f"{path}.safetensors"
        assert (tmp_path / "out" / "model" / file).read_bytes() == (tiny_folder / file).read_bytes()
    before, after = (item.transformer.state_dict() for item in (tiny_model, model))
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_student_learns_isolated_context_from_a_teacher_without_it(tiny_folder: Path, tmp_path: Path) -> None:
    """A later recipe that starts from the student has a teacher with isolated context, too."""
    asking = RECIPE.replace("{{name: quick, ", "{{name: quick, memory: {{isolated_context: true}}, ")
    student, isolated = distilled(asking, tiny_folder, tmp_path / "first")
    assert (isolated, student.isolated_context) == (False, True)
    again, isolated = distilled(RECIPE, tmp_path / "first" / "out" / "model", tmp_path / "second")
    assert (isolated, again.isolated_context) == (True, True)


def distilled(text: str, start: Path, folder: Path) -> tuple[ModelSpec, bool]:
    """Train a recipe; return the student's card, and whether context was isolated in the calls of the teacher."""
    folder.mkdir()
    recipe = folder / "quick.yaml"
    recipe.write_text(text.format(start=start))
    seen: list[bool] = []
    velocity = GuidedTeacher.mean_velocity

    def watched(teacher: GuidedTeacher, *arguments: Any) -> Tensor:
        (transformer,) = teacher.denoiser.transformers
        assert isinstance(transformer, MemoryWanTransformer)
        processors = {isinstance(block.attn1.processor, IsolatedContextProcessor) for block in transformer.blocks}
        seen.extend({transformer.rope.isolated, *processors})
        return velocity(teacher, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GuidedTeacher, "mean_velocity", watched)
        spec = load_model(find(str(train(recipe, folder / "out"))), "cpu").spec
    (isolated,) = {*seen}
    return spec, isolated


def test_start_without_adapter_is_rejected(tmp_path: Path) -> None:
    recipe = tmp_path / "quick.yaml"
    recipe.write_text(RECIPE.format(start="wan2.1-t2v-1.3b"))
    with pytest.raises(OnestoryError, match="has no memory adapter") as caught:
        train(recipe, tmp_path / "out")
    assert caught.value.code == "T601"
