"""Run a benchmark: from a model card to a result with its provenance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace

from onestory_cli.evaluation.eyes import load_benchmark_readout
from onestory_cli.evaluation.result import BenchmarkResult
from onestory_cli.evaluation.rollouts import CEILING, BenchmarkSettings
from onestory_cli.evaluation.storyworld import evaluate
from onestory_cli.evaluation.suites import BenchmarkSuite
from onestory_cli.evaluation.variants import Variant
from onestory_cli.evaluation.workers import worker_pool
from onestory_cli.events import DataPrepared, Emit, ignore
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import load_model
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig
from onestory_cli.version import __version__


def measure(
    spec: ModelSpec,
    world: WorldConfig,
    *,
    suite: BenchmarkSuite,
    variants: Sequence[Variant],
    settings: BenchmarkSettings,
    first: int = HELD_OUT,
    device: str = "auto",
    emit: Emit = ignore,
) -> BenchmarkResult:
    """Load a model and the read-out, and run a suite in the model's world; every worker loads both.

    `first` is the seed of the suite's first story, for the provenance of the result.
    """
    model, readout = load_model(spec, device), load_benchmark_readout()
    pace = _Pace(films=len(suite.films) * len(variants) * settings.noise_seeds, emit=emit)
    with worker_pool(spec, device, settings.workers) if settings.workers > 1 else nullcontext() as see:
        result = evaluate(
            model, readout, suite=suite, variants=variants, settings=settings, world=world, progress=pace, see=see
        )
    provenance = {
        "onestory": __version__,
        "fingerprint": fingerprint(spec.files.base),
        "first_story": first,
        "world": asdict(world),
        "conduct": asdict(settings),
        "readout": readout.accuracy,
        "environment": model.denoiser.environment(),
    }
    return replace(result, provenance=provenance)


@dataclass(kw_only=True)
class _Pace:
    """Reports the progress of each variant and the estimated time for all generated films."""

    films: int
    emit: Emit
    started: float = field(default_factory=time.monotonic)
    before: int = 0  # films of the previous variants

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == CEILING:  # true films are rendered, not generated, and are much faster
            self.emit(DataPrepared(what=f"films, {what}", done=done, total=total))
            return
        made = min(self.before + done, self.films)
        if done == total:
            self.before = made
        left = (time.monotonic() - self.started) / made * (self.films - made) / 60
        self.emit(DataPrepared(what=f"about {left:.0f} min left; films, {what}", done=done, total=total))
