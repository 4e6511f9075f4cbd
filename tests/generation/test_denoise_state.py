"""A shot that is resumed at any step has the same bytes.

Shape letters: B batch, C latent channels, T latent frames, S context tokens, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.checkpoint import Partial
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.denoise_state import identity_of
from onestory_cli.models.load import LoadedModel

NOISE = prepare_latents((1, 4, 2, 8, 8), seed=1)
STEPS = 5


class Notebook:
    """A Checkpoint in memory: stores every step, and stops after step `stop`."""

    enabled = True

    def __init__(self, stop: int = 0) -> None:
        self.stop = stop
        self.partial: Partial | None = None
        self.loaded: list[int] = []

    def load(self, identity: str) -> Partial | None:
        found = self.partial if self.partial and self.partial.identity == identity else None
        self.loaded.append(found.step if found else 0)
        return found

    def due(self, *, last: bool = False) -> bool:
        return True

    def keep(self, partial: Partial) -> None:
        self.partial = partial
        if partial.step == self.stop:
            raise KeyboardInterrupt


def config_of(name: str) -> DenoiseConfig:
    return DenoiseConfig(name=name, steps=STEPS, shift=2.0, guidance=2.0)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "name",
    ["euler", "unipc", "FlowMatchHeunDiscreteScheduler", "DPMSolverMultistepScheduler", "DEISMultistepScheduler"],
)
@pytest.mark.slow
def test_resumed_after_any_step_the_bytes_are_the_same(
    tiny_model: LoadedModel, conditions: Conditions, name: str, given: bool
) -> None:
    first = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)) if given else None
    conditions, schedule = replace(conditions, first_frame_latents_BCHW=first), config_of(name)
    whole = denoise(tiny_model.denoiser, NOISE, conditions, schedule)
    for stop in range(1, STEPS + 1):
        notebook, steps = Notebook(stop), list[int]()
        with pytest.raises(KeyboardInterrupt):
            denoise(tiny_model.denoiser, NOISE, conditions, schedule, checkpoint=notebook)
        notebook.stop = 0
        resumed = denoise(tiny_model.denoiser, NOISE, conditions, schedule, steps.append, notebook)
        assert steps == list(range(stop + 1, STEPS + 1))
        assert resumed.numpy().tobytes() == whole.numpy().tobytes()


def test_resumed_many_times_the_bytes_are_the_same(tiny_model: LoadedModel, conditions: Conditions) -> None:
    notebook = Notebook()
    for stop in range(1, STEPS + 1):
        notebook.stop = stop
        with pytest.raises(KeyboardInterrupt):
            denoise(tiny_model.denoiser, NOISE, conditions, config_of("unipc"), checkpoint=notebook)
    notebook.stop = 0
    resumed = denoise(tiny_model.denoiser, NOISE, conditions, config_of("unipc"), checkpoint=notebook)
    assert notebook.loaded == [0, 1, 2, 3, 4, 5]
    assert torch.equal(resumed, denoise(tiny_model.denoiser, NOISE, conditions, config_of("unipc")))


@pytest.mark.parametrize(
    ("lost", "value"),
    [("latents", 0), ("model_outputs.1", 0), ("last_sample", 0), ("this_order", 1), ("lower_order_nums", 0)],
)
def test_every_saved_array_is_needed(tiny_model: LoadedModel, conditions: Conditions, lost: str, value: int) -> None:
    notebook, schedule = Notebook(stop=3), config_of("unipc")
    with pytest.raises(KeyboardInterrupt):
        denoise(tiny_model.denoiser, NOISE, conditions, schedule, checkpoint=notebook)
    assert notebook.partial is not None
    kept = notebook.partial.arrays
    notebook.partial = replace(notebook.partial, arrays={**kept, lost: np.full_like(kept[lost], value)})
    notebook.stop = 0
    spoilt = denoise(tiny_model.denoiser, NOISE, conditions, schedule, checkpoint=notebook)
    assert not torch.equal(spoilt, denoise(tiny_model.denoiser, NOISE, conditions, schedule))


CHANGES: dict[str, Callable[[Conditions], Conditions]] = {
    "text": lambda given: replace(given, prompt_embeds_BLE=given.prompt_embeds_BLE + 1),
    "negative": lambda given: replace(given, negative_prompt_embeds_BLE=given.negative_prompt_embeds_BLE + 1),
    "memory": lambda given: replace(given, context_BSD=given.context_BSD * 2),
    "places": lambda given: replace(given, context_rope=(given.context_rope[0], given.context_rope[1] * 2)),
    "first frame": lambda given: replace(given, first_frame_latents_BCHW=torch.zeros(1, 4, 8, 8)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_partial_of_other_conditions_is_ignored(tiny_model: LoadedModel, conditions: Conditions, change: str) -> None:
    notebook, other = Notebook(), CHANGES[change](conditions)
    denoise(tiny_model.denoiser, NOISE, conditions, config_of("euler"), checkpoint=notebook)
    denoise(tiny_model.denoiser, NOISE, other, config_of("euler"), checkpoint=notebook)
    assert notebook.loaded == [0, 0]


@pytest.mark.parametrize("fields", [{"name": "euler"}, {"shift": 3.0}, {"guidance": 1.0}, {"steps": 6}])
def test_a_partial_of_another_schedule_is_ignored(
    tiny_model: LoadedModel, conditions: Conditions, fields: dict[str, object]
) -> None:
    notebook, schedule = Notebook(), config_of("unipc")
    denoise(tiny_model.denoiser, NOISE, conditions, schedule, checkpoint=notebook)
    denoise(tiny_model.denoiser, NOISE, conditions, replace(schedule, **fields), checkpoint=notebook)  # type: ignore[arg-type]
    assert notebook.loaded == [0, 0]


def test_a_partial_of_other_noise_is_ignored(tiny_model: LoadedModel, conditions: Conditions) -> None:
    notebook = Notebook()
    for noise in (NOISE, NOISE + 1):
        denoise(tiny_model.denoiser, noise, conditions, config_of("euler"), checkpoint=notebook)
    assert notebook.loaded == [0, 0]


def test_an_identity_covers_shapes_dtypes_bytes_and_facts() -> None:
    def identity(*tensors: Tensor, **facts: object) -> str:
        return identity_of(tensors, facts)

    zeros = torch.zeros(2, 3)
    others = [zeros.T, zeros.double(), zeros + 1, zeros.bfloat16(), torch.zeros(6)]
    assert len({identity(item) for item in (zeros, *others)}) == 6
    assert identity(zeros, threads=1) != identity(zeros, threads=2)
    assert identity(zeros) == identity(zeros.clone())
