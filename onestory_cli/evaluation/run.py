"""One benchmark from a model's card to a result that says where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from onestory_cli import __version__
from onestory_cli.evaluation.readout import load_readout
from onestory_cli.evaluation.result import Result
from onestory_cli.evaluation.storyworld import Conduct, evaluate
from onestory_cli.evaluation.suites import HELD_OUT, Suite
from onestory_cli.evaluation.variants import Variant
from onestory_cli.events import DataPrepared, Emit, ignore
from onestory_cli.generate.denoise import Schedule
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import load_model
from onestory_cli.storyworld.world import WorldConfig


def measure(
    spec: ModelSpec,
    world: WorldConfig,
    *,
    suite: Suite,
    variants: Sequence[Variant],
    seed: int,
    steps: int,
    device: str = "auto",
    emit: Emit = ignore,
) -> Result:
    """Load a model and the read-out, and run a suite of films in its world."""
    model, readout = load_model(spec, device), load_readout()
    schedule = Schedule(name=spec.scheduler, steps=steps, shift=spec.shift, guidance=spec.guidance)
    conduct = Conduct(schedule=schedule, seed=seed)
    result = evaluate(
        model,
        readout,
        suite=suite,
        variants=variants,
        conduct=conduct,
        world=world,
        progress=lambda what, done, total: emit(DataPrepared(what=f"films, {what}", done=done, total=total)),
    )
    provenance = {
        "onestory": __version__,
        "fingerprint": fingerprint(spec.base),
        "first_story": HELD_OUT,
        "world": asdict(world),
        "conduct": asdict(conduct),
        "readout": readout.accuracy,
        "environment": model.environment(),
    }
    return replace(result, provenance=provenance)
