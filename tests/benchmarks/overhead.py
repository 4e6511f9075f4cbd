"""Measure the cost of the store: `python -m tests.benchmarks.overhead STORY` renders a film with and without it.

Without the store, shots are generated in memory, and nothing is encoded, written or synced. The two alternate.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.generator import GeneratedShot, ShotGenerator, ShotRequest
from onestory_cli.rendering.model_generator import ModelGenerator
from onestory_cli.rendering.render import render
from onestory_cli.store.run import Run
from onestory_cli.story.load import load_story


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Wall time and processor time of all threads, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One film without the store (`alone`) and with it (`render`, of which `generating` seconds generate shots)."""

    alone: Spent
    render: Spent
    generating: float

    @property
    def ratio(self) -> float:
        """(render - generation) / generation, in wall time."""
        return self.render.wall / self.alone.wall - 1

    @property
    def cpu_ratio(self) -> float:
        """The same in processor time: less affected by other programs, and work on an idle core is counted."""
        return self.render.cpu / self.alone.cpu - 1

    @property
    def waited(self) -> float:
        """The time that the film waited for the store, relative to the time of generation."""
        return self.render.wall / self.generating - 1


class TimedGenerator:
    """A generator that adds up its time."""

    def __init__(self, generator: ModelGenerator) -> None:
        self._generator, self.seconds = generator, 0.0
        self.encode_reference, self.recall, self.environment = (
            generator.encode_reference,
            generator.recall,
            generator.environment,
        )

    def generate(self, request: ShotRequest) -> GeneratedShot:
        start = time.perf_counter()
        made = self._generator.generate(request)
        made.decode()  # in both cases, so that background decoding is not measured
        self.seconds += time.perf_counter() - start
        return made


def measure(plan: Plan, generator: ModelGenerator, *, turns: int, place: Path | None = None) -> tuple[Turn, ...]:
    """Render a film `turns` times with the store and without; its files go to the folder `place`."""
    generate_alone(replace(plan, jobs=plan.jobs[:1]), generator)  # warm up
    found = []
    for _ in range(turns):
        timed = TimedGenerator(generator)
        alone = _spent(lambda: generate_alone(plan, generator))
        with tempfile.TemporaryDirectory(dir=place) as folder:
            run = Run.create(Path(folder) / "film.run")
            whole = _spent(partial(render, plan, run, partial(_same, timed)))
        found.append(Turn(alone=alone, render=whole, generating=timed.seconds))
    return tuple(found)


def generate_alone(plan: Plan, generator: ShotGenerator) -> None:
    """Generate every shot of a plan without pictures, in memory only."""
    assert not plan.images, "a film without pictures"
    latents: dict[str, np.ndarray] = {}
    for job in plan.jobs:
        memory = {source: latents[source] for source in job.memory.sources}
        made = generator.generate(ShotRequest(job=job, memory=memory))
        made.decode()
        latents[job.shot] = made.latents_CTHW


def report(turns: Sequence[Turn]) -> str:
    """A table with a row per turn and a row for the fastest of each."""
    best = Turn(
        alone=_least(turn.alone for turn in turns),
        render=_least(turn.render for turn in turns),
        generating=min(turn.generating for turn in turns),
    )
    rows = [
        f"| {name} | {turn.alone.wall:.2f} | {turn.render.wall:.2f} | {turn.ratio:+.1%} | {turn.cpu_ratio:+.1%} "
        f"| {turn.waited:+.1%} |"
        for name, turn in (*enumerate(turns, start=1), ("best", best))
    ]
    head = "| turn | generation alone, s | with the store, s | overhead | of processor time | waited for the store |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows, ""])


def _same(generator: ShotGenerator) -> ShotGenerator:
    return generator


def _least(spent: Iterable[Spent]) -> Spent:
    items = list(spent)
    return Spent(wall=min(item.wall for item in items), cpu=min(item.cpu for item in items))


def _spent(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.overhead", description=__doc__)
    parser.add_argument("story", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--place", type=Path, help="folder on the disk to measure (default: temporary files)")
    options = parser.parse_args(arguments)
    plan, model = _planned(options.story, options.device)
    generator = ModelGenerator(plan.model, lambda: model.selection, lambda selection: model)
    sys.stdout.write(report(measure(plan, generator, turns=options.turns, place=options.place)))


def _planned(file: Path, device: str) -> tuple[Plan, LoadedModel]:
    story, _ = load_story(file)
    spec = find(story.model, relative_to=file.parent)
    plan, _ = make_plan(story, spec, model_fingerprint=fingerprint(spec.files.base))
    return plan, load_model(spec, device)


if __name__ == "__main__":
    main()
