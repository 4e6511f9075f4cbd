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
from onestory_cli.generation.selection import recall
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.bases import T2V_1_3B
from onestory_cli.models.load import load_model
from onestory_cli.models.model import CPU, Denoiser, LoadedModel
from onestory_cli.models.transformer import MemoryWanTransformer, rotary_embedding
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.loading import tune_small_model
from tests.benchmarks.speed.memory import peak_bytes


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
    """A shot: its number in the film (from 1), its number of remembered frames, and its time as in `Pair`.

    peak_bytes: peak memory of a process that has generated this shot and earlier ones only
    """

    number: int
    remembered: int
    seconds: float
    peak_bytes: int


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
    works: Sequence[Callable[[], object]],
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
    prepare: Callable[[int], object] = lambda side: None,
) -> list[float]:
    """The minimum time of each. They alternate, so that other programs affect all of them; the first turn warms up.

    `prepare(k)` is called before `works[k]` and not measured.
    """
    best = [float("inf")] * len(works)
    for turn in range(turns + 1):
        for side, work in enumerate(works):
            prepare(side)
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


def ages(plan: Plan, device: str, late: Sequence[int], turns: int) -> tuple[Aged, ...]:
    """Times and peak memory of shot 2 of a film, of the first shot with a full memory, and of the `late` ones.

    Shot 2 remembers fewer frames, so it has fewer context tokens. After the first full memory, only the number of
    frames to score grows. Call it in a new process: the peak includes what the process did before.
    """
    film = LongFilm(tune_small_model(load_model(plan.model, device)), plan.jobs[-1])
    numbers = sorted({2, film.first_full, *late})
    remembered, peaks = [], []
    for number in numbers:
        remembered.append(film.make(number))
        peaks.append(peak_bytes())
    works = [partial(film.make, number) for number in numbers]
    clock = _clock(film.model.device)
    seconds = least(works, turns, clock, prepare=lambda side: film.score_earlier(numbers[side]))
    return tuple(
        Aged(number=number, remembered=frames, seconds=spent, peak_bytes=peak)
        for number, frames, spent, peak in zip(numbers, remembered, seconds, peaks, strict=True)
    )


class LongFilm:
    """A film whose shots all have the same job. Their memory is random latents."""

    def __init__(self, model: LoadedModel, job: ShotJob) -> None:
        self.model, self._job = model, job
        self._latents: list[torch.Tensor] = []
        self._generator = torch.Generator().manual_seed(0)

    @property
    def first_full(self) -> int:
        """Number of the first shot that remembers as many frames as a shot may."""
        return max(2, 1 + math.ceil(self._job.memory.frames / self.model.spec.latent_frames(self._job.frames)))

    def make(self, number: int) -> int:
        """Generate and decode a shot with `number` - 1 earlier ones in its memory; return how many frames it used."""
        bank = self._bank(number - 1)
        made = generate_shot(self.model, self._job_after(bank), bank)
        made.decode()
        return len(made.selection)

    def score_earlier(self, number: int) -> None:
        """Score all shots before `number` but the last, so that only the features of that one are not cached yet."""
        bank = self._bank(number - 2)
        recall(self.model.selection, self._job_after(bank), bank)

    def _job_after(self, bank: MemoryBank) -> ShotJob:
        memory = replace(self._job.memory, sources=tuple(bank.sources), shown=())
        return replace(self._job, index=len(bank.sources), memory=memory)

    def _bank(self, shots: int) -> MemoryBank:
        spec = self.model.spec
        rows, columns = spec.latent_size(self._job.width, self._job.height)
        shape = (spec.latent_channels, spec.latent_frames(self._job.frames), rows, columns)
        while len(self._latents) < shots:
            self._latents.append(torch.randn(shape, generator=self._generator))
        bank = MemoryBank(channels=spec.latent_channels, height=rows, width=columns)
        for number, latents in enumerate(self._latents[:shots]):
            bank.add(f"shot-{number}", latents)
        return bank


def _clock(device: torch.device) -> Callable[[], float]:
    """Processor time, which other programs affect less, or wall time for a GPU."""
    return time.process_time if device.type == "cpu" else time.perf_counter


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
