"""What the store costs: `python -m tests.benchmarks.overhead STORY` makes a film with it and without, in turns.

Without it, every shot is made in memory, and nothing is encoded, written or synced.
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
    """Seconds by the clock, and seconds of all processors together."""

    wall: float
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One film without the store and with it; `making` is the part of the latter in which shots were made."""

    alone: Spent
    render: Spent
    making: float

    @property
    def ratio(self) -> float:
        """(render - generation) / generation, by the clock."""
        return self.render.wall / self.alone.wall - 1

    @property
    def cpu_ratio(self) -> float:
        """The same of processor time, which a busy machine disturbs less and a free core does not hide."""
        return self.render.cpu / self.alone.cpu - 1

    @property
    def waited(self) -> float:
        """What the film waited for the store, as a part of its own making."""
        return self.render.wall / self.making - 1


class TimedGenerator:
    """A maker that sums up the seconds of its makings."""

    def __init__(self, maker: ModelGenerator) -> None:
        self._maker, self.seconds = maker, 0.0
        self.encode_reference, self.recall, self.environment = maker.encode_reference, maker.recall, maker.environment

    def generate(self, request: ShotRequest) -> GeneratedShot:
        began = time.perf_counter()
        made = self._maker.generate(request)
        made.decode()  # decoded here on both sides: the store is measured, not what is done beside
        self.seconds += time.perf_counter() - began
        return made


def measure(plan: Plan, maker: ModelGenerator, *, turns: int, place: Path | None = None) -> tuple[Turn, ...]:
    """Make the film of a plan so many times with the store and without; `place` is where its files go meanwhile."""
    make_alone(replace(plan, jobs=plan.jobs[:1]), maker)  # the first shot of a process pays for what is set up once
    found = []
    for _ in range(turns):
        timed = TimedGenerator(maker)
        alone = _spent(lambda: make_alone(plan, maker))
        with tempfile.TemporaryDirectory(dir=place) as folder:
            run = Run.create(Path(folder) / "film.run")
            whole = _spent(partial(render, plan, run, partial(_same, timed)))
        found.append(Turn(alone=alone, render=whole, making=timed.seconds))
    return tuple(found)


def make_alone(plan: Plan, maker: ShotGenerator) -> None:
    """Every shot of a plan without pictures, kept in memory alone."""
    assert not plan.images, "a film without pictures"
    latents: dict[str, np.ndarray] = {}
    for job in plan.jobs:
        memory = {source: latents[source] for source in job.memory.sources}
        made = maker.generate(ShotRequest(job=job, memory=memory))
        made.decode()
        latents[job.shot] = made.latents_CTHW


def report(turns: Sequence[Turn]) -> str:
    """A table, and the ratios of the fastest of each."""
    best = Turn(
        alone=_least(turn.alone for turn in turns),
        render=_least(turn.render for turn in turns),
        making=min(turn.making for turn in turns),
    )
    rows = [
        f"| {name} | {turn.alone.wall:.2f} | {turn.render.wall:.2f} | {turn.ratio:+.1%} | {turn.cpu_ratio:+.1%} "
        f"| {turn.waited:+.1%} |"
        for name, turn in (*enumerate(turns, start=1), ("best", best))
    ]
    head = "| turn | generation alone, s | with the store, s | overhead | of processor time | waited for the store |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows, ""])


def _same(maker: ShotGenerator) -> ShotGenerator:
    return maker


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
    parser.add_argument("--place", type=Path, help="a folder on the disk to be measured; default: temporary files")
    options = parser.parse_args(arguments)
    plan, model = _planned(options.story, options.device)
    maker = ModelGenerator(plan.model, lambda: model.selection, lambda selection: model)
    sys.stdout.write(report(measure(plan, maker, turns=options.turns, place=options.place)))


def _planned(file: Path, device: str) -> tuple[Plan, LoadedModel]:
    story, _ = load_story(file)
    spec = find(story.model, relative_to=file.parent)
    plan, _ = make_plan(story, spec, model_fingerprint=fingerprint(spec.files.base))
    return plan, load_model(spec, device)


if __name__ == "__main__":
    main()
