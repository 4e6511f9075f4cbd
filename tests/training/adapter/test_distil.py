"""The objective of a student: its teacher, its path, its weights and its draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, guided_velocity
from onestory_cli.models.adapter import STUDENT
from onestory_cli.models.bases import BASES
from onestory_cli.models.model import Denoiser
from onestory_cli.training.adapter.base import AdapterModel, Base
from onestory_cli.training.adapter.build import build_student
from onestory_cli.training.adapter.distil import StudentObjective, without_lora
from onestory_cli.training.adapter.draws import BatchDraws
from onestory_cli.training.adapter.fit import Fit, fit, incompatibilities, student_schedule, student_steps
from onestory_cli.training.adapter.learner import Choices, Noise, draw_choices, draw_shape
from onestory_cli.training.adapter.recipe import (
    AdapterData,
    AdapterMemory,
    AdapterRecipe,
    Distillation,
    Learning,
    read_adapter_recipe,
)
from onestory_cli.training.adapter.triples import Shots, Triples
from tests.training.adapter.conftest import STUDENT_RECIPE, write_recipe
from tests.training.adapter.test_triples import shots  # noqa: F401

ROWS, FRAMES = 2, 2


def tiny_student(
    folder: Path, base: Path, *, frozen: torch.dtype = torch.float32, **fields: Any
) -> tuple[AdapterModel, Fit]:
    """An untrained student, and what its recipe trains."""
    path = write_recipe(folder / "recipe.yaml", base, Path("none.jsonl"), **{**STUDENT_RECIPE, **fields})
    recipe = read_adapter_recipe(path)
    wanted = fit(recipe, path, folder / "adapter")
    return build_student(recipe, Base(wanted.spec, torch.device("cpu"), wanted.part), frozen=frozen), wanted


def noised(model: AdapterModel) -> AdapterModel:
    """The student with random weights in its LoRA, as after some training."""
    chance = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in model.transformer.named_parameters():
            if ".lora_B." in name:
                value.copy_(0.3 * torch.randn(value.shape, generator=chance))
    return model


@pytest.fixture
def student(tiny_folder: Path, tmp_path: Path) -> tuple[AdapterModel, Fit]:
    return tiny_student(tmp_path, tiny_folder)


@pytest.fixture
def batch() -> Triples:
    chance = torch.Generator().manual_seed(0)
    shape = (ROWS, 2 * FRAMES)
    return Triples(
        target_BCTHW=torch.randn(ROWS, 16, FRAMES, 4, 4, generator=chance),
        text_BLE=torch.randn(ROWS, 5, 16, generator=chance),
        memory_BFCHW=torch.randn(*shape, 16, 4, 4, generator=chance),
        labels_BF=torch.zeros(shape),
        real_BF=torch.ones(shape, dtype=torch.bool),
        ages_BF=torch.tensor([[2, 2, 1, 1]] * ROWS),
        times_BF=torch.tensor([[0, 1, 0, 1]] * ROWS),
    )


def choices(batch: Triples, step: int) -> Choices:
    memory = AdapterMemory(remembered=(3,), budgets=(4.0,))
    rng, chance = np.random.default_rng(0), torch.Generator().manual_seed(1)
    shape = draw_shape(rng, memory, warming=False, shot_frames=FRAMES, alone=True, length=5)
    noise = Noise(mean=0, std=1, shift=3)
    shape = replace(shape, student_step=step)
    return draw_choices(batch, shape, memory=memory, noise=noise, warming=False, chance=chance)


def objective(wanted: Fit, **distil: Any) -> StudentObjective:
    settings = Distillation(**{**STUDENT_RECIPE["distil"], **distil})
    negative = torch.randn(5, 16, generator=torch.Generator().manual_seed(3))
    return StudentObjective(distil=settings, steps=wanted.steps, negative_LE=negative)


def conditions(batch: Triples, found: StudentObjective) -> Conditions:
    empty = torch.zeros(0, 1)
    return Conditions(
        prompt_embeds_BLE=batch.text_BLE,
        negative_prompt_embeds_BLE=found.negative_LE.expand_as(batch.text_BLE),
        context_BSD=torch.zeros(ROWS, 0, 1),
        context_rope=(empty, empty),
    )


def test_untrained_student_of_an_unguided_teacher_has_no_loss(
    student: tuple[AdapterModel, Fit], batch: Triples
) -> None:
    model, wanted = student
    unguided, guided = objective(wanted, guidance=1.0), objective(wanted)
    for step in range(3):
        losses = unguided(model, batch, choices(batch, step))
        assert set(losses) == {"loss", f"step_{step + 1}"}
        assert float(losses["loss"].detach()) < 1e-10
        assert float(guided(model, batch, choices(batch, step))["loss"].detach()) > 1e-6


def test_teacher_is_the_guided_base_without_the_student(
    student: tuple[AdapterModel, Fit], tiny_folder: Path, batch: Triples
) -> None:
    model, wanted = student
    found, (start, end) = objective(wanted, teacher_steps=2), wanted.steps[1]
    stock = Denoiser(spec=model.spec, transformers=(Base(model.spec, model.device).transformer(torch.float32),))
    config, given = DenoiseConfig(name="euler", steps=2, shift=1.0, guidance=3.0), conditions(batch, found)
    latents = choices(batch, 0).noise_BCTHW
    with torch.no_grad():
        moved = latents
        for sigma in (start, (start + end) / 2):
            velocity = guided_velocity(stock, moved, torch.tensor(1000 * sigma), given, config)
            moved = moved + (end - start) / 2 * velocity
        target = found.target(noised(model), latents, start, end, given)
    torch.testing.assert_close(target, (moved - latents) / (end - start), rtol=1e-4, atol=1e-4)


def test_path_is_that_of_a_film_with_the_student(student: tuple[AdapterModel, Fit], batch: Triples) -> None:
    model, wanted = student
    calls: list[Tensor] = []
    found = objective(wanted)
    noised(model)
    with torch.no_grad():
        paths = [found._path(model, batch, choices(batch, step), conditions(batch, found)) for step in range(3)]
    hook = model.transformer.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0]))
    schedule = student_schedule(found.distil, model.spec)
    denoise(model.denoiser, choices(batch, 0).noise_BCTHW, conditions(batch, found), schedule)
    hook.remove()
    for path, call in zip(paths, calls, strict=True):
        torch.testing.assert_close(path, call, rtol=1e-4, atol=1e-4)


def test_every_weight_of_the_student_gets_a_gradient_in_mixed_precision(
    student: tuple[AdapterModel, Fit], batch: Triples
) -> None:
    """Autocast would reuse weights that the path cast without gradient."""
    model, wanted = student
    with torch.autocast("cpu", torch.bfloat16):
        objective(wanted)(noised(model), batch, choices(batch, 2))["loss"].backward()
    named = [(name, value) for name, value in model.transformer.named_parameters() if value.requires_grad]
    assert len(named) == 2 * 2 * 2 * 2  # two blocks with two attentions of two layers, A and B
    assert [name for name, value in named if value.grad is None or not value.grad.any()] == []


def test_only_the_student_is_trained_and_in_float32(tiny_folder: Path, tmp_path: Path) -> None:
    model, _ = tiny_student(tmp_path, tiny_folder, frozen=torch.bfloat16)
    weights = dict(model.transformer.named_parameters())
    trained = {name for name, value in weights.items() if value.requires_grad}
    assert trained == {name for name in weights if f".{STUDENT}." in name}
    assert {weights[name].dtype for name in trained} == {torch.float32}
    assert torch.bfloat16 in {value.dtype for value in weights.values()}


def test_lora_is_restored_after_an_error(student: tuple[AdapterModel, Fit]) -> None:
    layer = student[0].transformer.blocks[0].attn1.to_q

    def interrupt() -> None:
        with without_lora(student[0].transformer, STUDENT):
            assert layer.scaling == {STUDENT: 0.0}
            raise KeyError

    with pytest.raises(KeyError):
        interrupt()
    assert layer.scaling == {STUDENT: 2.0}


def test_processes_and_accumulated_batches_share_the_step(shots: Shots) -> None:  # noqa: F811
    recipe = AdapterRecipe(
        name="tiny",
        base="tiny",
        data=AdapterData(),
        delta="lora",
        distil=Distillation(),
        train=Learning(steps=20, accumulate=2),
    )
    found = [
        BatchDraws(
            recipe=recipe,
            noise=Noise(mean=0, std=1, shift=3),
            first_frame=0.0,
            process=process,
            student_steps=4,
            remembers=False,
        )
        for process in (0, 1)
    ]
    drawn = [[item.training(shots, number)[1].shape for number in range(40)] for item in found]
    steps = [shape.student_step for shape in drawn[0]]
    assert drawn[0] == drawn[1]
    assert steps[::2] == steps[1::2]
    assert set(steps) == {0, 1, 2, 3}
    assert all(shape.alone for shape in drawn[0])
    assert [found[0].validation(shots, number)[1].shape.student_step for number in range(5)] == [0, 1, 2, 3, 0]


def recipe_for(base: str, **fields: Any) -> AdapterRecipe:
    settings = {"name": "tiny", "base": base, "data": AdapterData(), "train": Learning(steps=1), "delta": "lora"}
    return AdapterRecipe(**{**settings, "distil": Distillation(), **fields})


def test_experts_share_the_steps_of_a_schedule() -> None:
    spec = BASES["wan2.2-t2v-a14b"]
    high, low = (student_steps(recipe_for(spec.name, expert=name), spec) for name in ("high", "low"))
    assert [*high, *low] == [*student_steps(recipe_for("wan2.1-t2v-14b"), replace(BASES["wan2.1-t2v-14b"], shift=12.0))]
    assert high[0][0] == 1.0
    assert low[-1][1] == 0.0
    assert high[-1][0] >= 0.875 > low[0][0]


@pytest.mark.parametrize(
    ("base", "fields", "message"),
    [
        ("wan2.1-vace-1.3b", {}, "uses reference images as memory and cannot be distilled"),
        ("storymem", {"expert": "high"}, "has a trained memory and cannot be distilled"),
        ("wan2.2-t2v-a14b", {}, "expert: the base has two"),
        (
            "wan2.2-t2v-a14b",
            {"expert": "low", "distil": Distillation(steps=1)},
            "distil: none of the 1 steps is one of the low expert; use more steps",
        ),
    ],
)
def test_bases_that_cannot_be_distilled_are_rejected(base: str, fields: dict[str, Any], message: str) -> None:
    faults = [*incompatibilities(recipe_for(base, **fields), BASES[base])]
    assert [fault for fault in faults if message in fault], faults
