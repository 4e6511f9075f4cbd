"""The first-block cache: no effect at threshold 0, skipped blocks at a large one, no state between shots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.caches import FRESH_STEPS, cache_blocks
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.offload.config import CACHE_THRESHOLD, ExecutionConfig, parse_cache, refuse_cache
from onestory_cli.models.transformer import rotary_embedding
from tests.bases import base_folder
from tests.tiny import job_of, tiny_folder

__all__ = ["base_folder", "tiny_folder"]

STEPS = 20
SCHEDULE = DenoiseConfig(name="unipc", steps=STEPS, shift=2.0, guidance=2.0)
LARGE = 0.9


def load(folder: Path, cache: float | None) -> LoadedModel:
    return load_model(replace(find(str(folder)), execution=ExecutionConfig(cache=cache)), "cpu")


def conditions_for(model: LoadedModel) -> Conditions:
    """Fixed random text and context tokens."""
    draw = torch.Generator().manual_seed(3)
    config = model.transformer.config
    width = config.num_attention_heads * config.attention_head_dim
    context = 16 if model.spec.remembers == "context" else 0
    return Conditions(
        prompt_embeds_BLE=torch.randn(1, 6, config.text_dim, generator=draw),
        negative_prompt_embeds_BLE=torch.randn(1, 6, config.text_dim, generator=draw),
        context_BSD=torch.randn(1, context, width, generator=draw),
        context_rope=rotary_embedding(torch.rand(context, 3, generator=draw), head_dim=config.attention_head_dim),
    )


def made(model: LoadedModel, seed: int = 1, checkpoint: Keeper | None = None) -> Tensor:
    noise = prepare_latents((1, model.spec.latent_channels, 2, 8, 8), seed=seed)
    more = {"checkpoint": checkpoint} if checkpoint else {}
    return denoise(model.denoiser, noise, conditions_for(model), SCHEDULE, **more)


class Keeper:
    """A checkpoint that stores the state at step `step` and stops there, or loads `kept`."""

    enabled = True

    def __init__(self, step: int, kept: Partial | None = None) -> None:
        self.step, self.kept, self.stops = step, kept, kept is None
        self.asked = 0

    def load(self, identity: str) -> Partial | None:
        assert self.kept is None or self.kept.identity == identity
        return self.kept

    def due(self, *, last: bool = False) -> bool:
        self.asked += 1
        return self.stops and self.asked == self.step

    def keep(self, partial: Partial) -> None:
        self.kept = partial
        raise KeyboardInterrupt


@contextmanager
def tail_calls(model: LoadedModel) -> Iterator[list[int]]:
    """The expert of every call of a last block that was not skipped."""
    seen: list[int] = []
    hooks = [
        transformer.blocks[-1].attn1.register_forward_hook(lambda *_, expert=expert: seen.append(expert))
        for expert, transformer in enumerate(model.denoiser.transformers)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@pytest.fixture(scope="module")
def uncached(tiny_folder: Path) -> Tensor:
    return made(load(tiny_folder, None))


def test_threshold_zero_changes_nothing(tiny_folder: Path, uncached: Tensor) -> None:
    model = load(tiny_folder, 0.0)
    with tail_calls(model) as seen:
        assert torch.equal(made(model), uncached)
    assert len(seen) == 2 * STEPS


def test_a_large_threshold_skips_blocks(tiny_folder: Path, uncached: Tensor) -> None:
    model = load(tiny_folder, LARGE)
    with tail_calls(model) as seen:
        film = made(model)
    fresh = -(-STEPS // FRESH_STEPS)
    assert 2 * fresh <= len(seen) < STEPS
    assert not torch.equal(film, uncached)
    assert torch.isfinite(film).all()


def test_a_shot_starts_with_an_empty_cache(tiny_folder: Path) -> None:
    model = load(tiny_folder, LARGE)
    second = made(model, seed=2)
    made(model, seed=1)
    assert torch.equal(made(model, seed=2), second)


@pytest.mark.parametrize("stop", [3, FRESH_STEPS, FRESH_STEPS + 2])
@pytest.mark.slow
def test_a_resumed_shot_has_the_same_bytes(tiny_folder: Path, stop: int) -> None:
    whole = made(load(tiny_folder, LARGE))
    keeper = Keeper(stop)
    with pytest.raises(KeyboardInterrupt):
        made(load(tiny_folder, LARGE), checkpoint=keeper)
    assert keeper.kept
    assert keeper.kept.step == (stop - 1) // FRESH_STEPS * FRESH_STEPS
    assert torch.equal(made(load(tiny_folder, LARGE), checkpoint=Keeper(0, keeper.kept)), whole)


def test_the_last_step_is_saved_unchanged(tiny_folder: Path) -> None:
    keeper = Keeper(STEPS)
    with pytest.raises(KeyboardInterrupt):
        made(load(tiny_folder, LARGE), checkpoint=keeper)
    assert keeper.kept
    assert keeper.kept.step == STEPS


@pytest.mark.parametrize("family", ["t2v", "t2v-a14b"])
@pytest.mark.slow
def test_each_expert_has_its_own_cache(base_folder: Callable[[str], Path], family: str) -> None:
    plain, nothing, large = (load(base_folder(family), cache) for cache in (None, 0.0, LARGE))
    assert torch.equal(made(plain), made(nothing))
    with tail_calls(large) as seen:
        made(large)
    assert set(seen) == set(range(large.spec.experts))
    assert len(seen) < 2 * STEPS


def test_a_base_that_expands_timesteps(base_folder: Callable[[str], Path]) -> None:
    """Wan 2.2 TI2V with a held first latent frame."""
    results = []
    for cache in (None, 0.0, LARGE):
        model = load(base_folder("ti2v"), cache)
        spec = model.spec
        rows, columns = spec.latent_size(spec.width, spec.height)
        bank = MemoryBank(channels=spec.latent_channels, height=rows, width=columns)
        picture = np.full((spec.height, spec.width, 3), 90, np.uint8)
        results.append(generate_shot(model, job_of(spec, steps=6), bank, image=picture).latents_CTHW)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_the_cache_is_part_of_fingerprint_and_record(tiny_folder: Path) -> None:
    spec = find(str(tiny_folder))
    prints = {fingerprint_of(replace(spec, execution=ExecutionConfig(cache=cache))) for cache in (None, 0.0, 0.1)}
    assert len(prints) == 3
    assert load(tiny_folder, 0.1).denoiser.environment()["fitting"] == "first-block cache 0.1"
    assert ExecutionConfig(offload="group", cache=0.1).recorded == ExecutionConfig(cache=0.1)


@pytest.mark.parametrize(
    ("fitting", "vace", "shared"),
    [
        (ExecutionConfig(cache=0.1), True, False),
        (ExecutionConfig(cache=0.1), False, True),
        (ExecutionConfig(cache=0.1, compile_blocks=True), False, False),
    ],
)
def test_incompatible_options_are_refused(fitting: ExecutionConfig, vace: bool, shared: bool) -> None:
    with pytest.raises(OnestoryError, match="cannot use the first-block cache") as caught:
        refuse_cache(fitting, vace=vace, shared=shared)
    assert (caught.value.code, caught.value.exit) == ("U606", ExitCode.USAGE)
    refuse_cache(replace(fitting, cache=None), vace=vace, shared=shared)


def test_vace_is_refused_before_loading(base_folder: Callable[[str], Path]) -> None:
    with pytest.raises(OnestoryError, match="VACE"):
        load(base_folder("vace"), 0.1)


def test_a_transformer_of_one_block_is_refused(base_folder: Callable[[str], Path]) -> None:
    transformer = load(base_folder("t2v"), None).transformer
    del transformer.blocks[1:]
    with pytest.raises(OnestoryError, match="only one block"):
        cache_blocks(transformer, 0.1)


@pytest.mark.parametrize(
    ("text", "threshold"), [("first-block", CACHE_THRESHOLD), ("first-block:0.1", 0.1), ("first-block:0", 0.0)]
)
def test_thresholds(text: str, threshold: float) -> None:
    assert parse_cache(text) == threshold


@pytest.mark.parametrize("text", ["", "first", "first-block:", "first-block:1", "first-block:-1", "first-block:nan"])
def test_an_invalid_cache_is_refused(text: str) -> None:
    with pytest.raises(OnestoryError, match="unknown --cache mode"):
        parse_cache(text)
