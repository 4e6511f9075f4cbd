"""What memory costs a step, and what a long film costs its last shot: all sides in turns, the least of each.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells, S context tokens, D width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from onestory_cli.generate.denoise import Conditions, DenoiseConfig, guided_velocity
from onestory_cli.generate.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.bases import T2V_1_3B
from onestory_cli.models.model import CPU, Denoiser, LoadedModel
from onestory_cli.models.transformer import MemoryWanTransformer, rotary_embedding
from onestory_cli.planning.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Seconds of the same work with something and without it: of the processor where that does it."""

    seconds: float
    without: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.without


@dataclass(frozen=True, kw_only=True)
class Aged:
    """A shot by its number in the film, from 1, how many frames it remembers, and seconds as in a Pair."""

    number: int
    remembered: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """A Wan transformer of random weights, and the shot that it makes a step of, in pixels and pixel frames."""

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
    """The least of both."""
    seconds, other = least((work, without), turns, clock)
    return Pair(seconds=seconds, without=other)


def least(
    works: Sequence[Callable[[], object]], turns: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Each work once to warm up, then in turns, so that a busy minute of the machine meets all."""
    best = [float("inf")] * len(works)
    for turn in range(turns + 1):
        for side, work in enumerate(works):
            began = clock()
            work()
            best[side] = min(best[side], clock() - began) if turn else best[side]
    return best


def step_with_memory(shape: StepShape, *, budget: float, turns: int, device: torch.device = CPU) -> Pair:
    """One guided step with a budget of context tokens, and without any. The weights' values do not matter."""
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
    """A shot as the second of a film, as the first whose memory is full, and as the `late`-th.

    The second has fewer frames to remember than the memory holds, so it carries fewer context tokens; from the first
    full memory on, only what must be looked at grows.
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
    """Make a shot as that of a number, all before it in its memory; how many frames it remembers."""
    bank = _bank(model, job, number - 1)
    memory = replace(job.memory, sources=tuple(bank.sources), shown=())
    made = generate_shot(model, replace(job, index=number - 1, memory=memory), bank)
    made.decode()
    return len(made.selection)


def _clock(device: torch.device) -> Callable[[], float]:
    """Other programs disturb the time of a processor less than the clock; work on a GPU takes none of it."""
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
    """A transformer of Wan's proportions with random weights."""
    width = shape.heads * 128
    transformer = MemoryWanTransformer(
        num_attention_heads=shape.heads, attention_head_dim=128, num_layers=shape.layers, ffn_dim=width * 35 // 6
    )
    return Denoiser(
        spec=T2V_1_3B.with_fields(adapter="random"),
        transformers=(transformer.to(device).eval().requires_grad_(False),),
        device=device,
    )
