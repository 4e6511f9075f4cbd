"""Measure the speed of batches on this machine: `python -m tests.benchmarks.batch --out DIR` prints a line of JSON.

Films of six short shots, rendered by the embedded model in one process and by batches of one worker with one thread,
one with two threads, and two with one thread each. With `--ray`: seconds from submitting a one-shot film to a Ray actor
until its first step, with a cold and with a loaded model.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from onestory_cli.batch.films import list_films, prepare
from onestory_cli.batch.local_workers import LocalPool
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.batch.result import BatchResult
from onestory_cli.batch.run_batch import Backend, PlannedFilm, run_batch
from onestory_cli.events import BatchStarted, Event, FilmStarted, PartialKept
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.planning.planner import make_plan
from onestory_cli.store.layout import EVENTS
from onestory_cli.story.load import load_story

CAPTIONS = ("walks right on a beach", "waves on a beach", "stands in a city", "jumps on a moon", "waves", "stands")
POOLS = ((1, 1), (1, 2), (2, 1))  # (workers, threads of each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--ray", action="store_true", help="measure Ray instead")
    given = parser.parse_args()
    measured = measure_ray if given.ray else measure_workers
    sys.stdout.write(json.dumps(measured(given.out, films=given.films, steps=given.steps)) + "\n")


def plans_of(stories: Path, out: Path, *, films: int, steps: int, shots: int = len(CAPTIONS)) -> list[PlannedFilm]:
    """Plan `films` stories of five-frame shots, each with its own seed."""
    stories.mkdir(parents=True, exist_ok=True)
    items = [{"id": f"shot-{n}", "caption": f"Wide shot. A red fox {does}."} for n, does in enumerate(CAPTIONS[:shots])]
    planned = []
    for number in range(films):
        defaults = {"seed": number, "steps": steps, "frames": 5}
        story = {"story": 1, "title": f"Film {number}", "defaults": defaults, "shots": items}
        path = stories / f"film-{number}.story.yaml"
        path.write_text(json.dumps(story))
        (film,) = list_films([path], out)
        spec = find("storyworld")
        plan, _ = make_plan(load_story(path)[0], spec, model_fingerprint=fingerprint_of(spec))
        planned.append(PlannedFilm(film=film, plan=plan))
    return planned


def measure_workers(out: Path, *, films: int, steps: int) -> dict[str, object]:
    """Seconds of each setup and their ratios. Each starts its processes and loads the model."""

    def plans(name: str, number: int = films) -> list[PlannedFilm]:
        return plans_of(out / "stories", out / name, films=number, steps=steps)

    seconds_alone(plans("warm-up", 1))  # fills the page cache
    alone = seconds_alone(plans("alone"))
    seconds = {
        pool: batch(plans(f"{pool[0]}-workers-{pool[1]}-threads"), workers=pool[0], threads=pool[1]).seconds
        for pool in POOLS
    }
    return {
        "films": films,
        "seconds": {
            "render_1_thread": round(alone, 1),
            **{
                f"{workers}_workers_{threads}_threads": round(value, 1) for (workers, threads), value in seconds.items()
            },
        },
        "two_workers_of_one": round(seconds[2, 1] / seconds[1, 1], 3),
        "two_workers_of_one_with_two_threads": round(seconds[2, 1] / seconds[1, 2], 3),
        "overhead_of_batch_over_render": round(seconds[1, 1] / alone - 1, 3),
    }


def batch(plans: list[PlannedFilm], *, workers: int, threads: int) -> BatchResult:
    """Run a batch with local workers."""
    work = WorkerConfig(device="cpu", threads=threads, share=workers)
    backend = Backend(where="local", workers=workers, open_pool=lambda: LocalPool(work))
    return run_batch(plans, plans[0].film.run.parent, backend)


def seconds_alone(plans: Sequence[PlannedFilm]) -> float:
    """Render the films one after another in one process, without a batch."""
    began = time.monotonic()
    for item in plans:
        prepare(item.film, item.plan)
    process = multiprocessing.get_context("spawn").Process(target=_render, args=([item.film.run for item in plans],))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the process exited with {process.exitcode}")
    return time.monotonic() - began


def _render(runs: Sequence[Path]) -> None:
    models = ModelCache(WorkerConfig(device="cpu", threads=1))
    states = {render_story(run, models).state for run in runs}
    sys.exit(states != {"done"})


class Clock:
    """Start times of a batch and its films, in seconds since 1970."""

    def __init__(self) -> None:
        self.began, self.films = 0.0, dict[str, float]()

    def __call__(self, event: Event) -> None:
        match event:
            case BatchStarted():
                self.began = time.time()
            case FilmStarted():
                self.films[event.film] = time.time()


def measure_ray(out: Path, *, films: int, steps: int) -> dict[str, object]:
    """Seconds to start a cluster, to start an actor, and to the first denoising step of a film."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # the default, 15, would slow Ray's workers only
    from onestory_cli.batch.ray_workers import LOCAL, connect, on_ray

    plans = plans_of(out / "stories", out / "films", films=max(2, films), steps=steps, shots=1)
    before = time.time()
    connect(LOCAL)
    connected, clock, work = time.time(), Clock(), WorkerConfig(device="cpu", threads=1, checkpoint_seconds=0)
    backend = Backend(where="ray", workers=1, open_pool=lambda: on_ray(LOCAL, work, 1, out / "films"))
    run_batch(plans, out / "films", backend, clock)
    steps_ended = {item.film.name: first_step(item.film.run) for item in plans}
    cold, *warm = (steps_ended[name] - began for name, began in clock.films.items())
    first = next(iter(clock.films))
    return {
        "films": len(plans),
        "cluster": round(connected - before, 2),
        "actor": round(clock.films[first] - clock.began, 2),
        "first_step_cold": round(cold, 2),
        "submit_to_first_step_cold": round(steps_ended[first] - clock.began, 2),
        "submit_to_first_step_warm": round(median(warm), 2),
    }


def first_step(run: Path) -> float:
    """Time of the first checkpoint in the log of a run, in seconds since 1970."""
    lines = map(json.loads, (run / EVENTS).read_text().splitlines())
    return next(float(line["time"]) for line in lines if line["event"] == PartialKept.__name__)


if __name__ == "__main__":
    main()
