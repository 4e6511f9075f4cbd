"""The cost of memory in a step, and of a long film in its last shot: alternating measurements, the minimum of each.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells, S context tokens, D width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from onestory_cli.generation.denoise import Conditions, DenoiseConfig, guided_velocity
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.bases import T2V_1_3B
from onestory_cli.models.model import CPU, Denoiser, LoadedModel
from onestory_cli.models.transformer import MemoryWanTransformer, rotary_embedding
from onestory_cli.planning.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Seconds of the same work with and without something: processor time on a CPU, wall time on a GPU."""

    seconds: float
    without: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.without


@dataclass(frozen=True, kw_only=True)
class Aged:
    """A shot: its number in the film (from 1), its number of remembered frames, and its time as in `Pair`."""

    number: int
    remembered: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """Size of a Wan transformer with random weights, and of the shot to denoise, in pixels and pixel frames."""

    layers: int = 1
    heads: int = 12
    width: int = 416
    height: int = 240
    frames: int = 81


def in_turns(
    work: Callable[[], object],
    without: Callable[[], object],
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Pair:
    """The minimum time of both, measured alternately."""
    seconds, other = least((work, without), turns, clock)
    return Pair(seconds=seconds, without=other)


def least(
    works: Sequence[Callable[[], object]], turns: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The minimum time of each. They alternate, so that other programs affect all of them; the first turn warms up."""
    best = [float("inf")] * len(works)
    for turn in range(turns + 1):
        for side, work in enumerate(works):
            start = clock()
            work()
            best[side] = min(best[side], clock() - start) if turn else best[side]
    return best


def step_with_memory(shape: StepShape, *, budget: float, turns: int, device: torch.device = CPU) -> Pair:
    """One guided step with a budget of context tokens, and without any. The values of the weights do not matter."""
    denoiser = _random_wan(shape, device)
    spec = denoiser.spec
    rows, columns = spec.latent_size(shape.width, shape.height)
    latents = torch.randn(1, spec.latent_channels, spec.latent_frames(shape.frames), rows, columns, device=device)
    tokens = round(budget * spec.tokens_per_frame(shape.width, shape.height))
    config = denoiser.transformers[0].config
    text = torch.randn(1, 512, config.text_dim, device=device)
    with_memory = Conditions(
        prompt_embeds_BLE=text,
        negative_prompt_embeds_BLE=text,
        context_BSD=torch.randn(1, tokens, config.num_attention_heads * config.attention_head_dim, device=device),
        context_rope=rotary_embedding(torch.zeros(tokens, 3), head_dim=config.attention_head_dim),
    )
    without = replace(
        with_memory,
        context_BSD=with_memory.context_BSD[:, :0],
        context_rope=rotary_embedding(torch.zeros(0, 3), head_dim=config.attention_head_dim),
    )
    moment, schedule = torch.tensor(500.0), DenoiseConfig(name="euler", steps=1, shift=1.0, guidance=5.0)

    def step(conditions: Conditions) -> None:
        guided_velocity(denoiser, latents, moment, conditions, schedule).sum().item()  # the sum waits for a GPU

    with torch.inference_mode():
        return in_turns(lambda: step(with_memory), lambda: step(without), turns, _clock(device))


def ages(model: LoadedModel, job: ShotJob, *, late: int = 50, turns: int) -> tuple[Aged, ...]:
    """Times of shot 2 of a film, of the first shot with a full memory, and of shot number `late`.

    Shot 2 remembers fewer frames, so it has fewer context tokens. After the first full memory, only the number of
    frames to score grows.
    """
    full = 1 + math.ceil(job.memory.frames / model.spec.latent_frames(job.frames))
    numbers = sorted({2, max(2, full), late})
    remembered = {number: _make(model, job, number) for number in numbers}
    seconds = least([partial(_make, model, job, number) for number in numbers], turns, _clock(model.device))
    return tuple(
        Aged(number=number, remembered=remembered[number], seconds=spent)
        for number, spent in zip(numbers, seconds, strict=True)
    )


def _make(model: LoadedModel, job: ShotJob, number: int) -> int:
    """Generate a shot with `number` - 1 earlier shots in its memory; return the number of remembered frames."""
    bank = _bank(model, job, number - 1)
    memory = replace(job.memory, sources=tuple(bank.sources), shown=())
    made = generate_shot(model, replace(job, index=number - 1, memory=memory), bank)
    made.decode()
    return len(made.selection)


def _clock(device: torch.device) -> Callable[[], float]:
    """Processor time, which other programs affect less, or wall time for a GPU."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def _bank(model: LoadedModel, job: ShotJob, shots: int) -> MemoryBank:
    spec = model.spec
    rows, columns = spec.latent_size(job.width, job.height)
    bank = MemoryBank(channels=spec.latent_channels, height=rows, width=columns)
    generator = torch.Generator().manual_seed(0)
    for number in range(shots):
        shape = (spec.latent_channels, spec.latent_frames(job.frames), rows, columns)
        bank.add(f"shot-{number}", torch.randn(shape, generator=generator))
    return bank


def _random_wan(shape: StepShape, device: torch.device) -> Denoiser:
    """A transformer with the proportions of Wan and random weights."""
    width = shape.heads * 128
    transformer = MemoryWanTransformer(
        num_attention_heads=shape.heads, attention_head_dim=128, num_layers=shape.layers, ffn_dim=width * 35 // 6
    )
    return Denoiser(
        spec=T2V_1_3B.with_fields(adapter="random"),
        transformers=(transformer.to(device).eval().requires_grad_(False),),
        device=device,
    )
