"""Render a film with the engine or with the stock loop, each in a new process, so that neither affects the other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TypeVar

from onestory_cli.events import Event, TakeCommitted
from onestory_cli.models.catalog import find
from onestory_cli.models.folder import INDEX
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.load import load_story
from onestory_cli.utils.untrusted import read_json_map
from tests.benchmarks.speed.memory import peak_bytes, resident_bytes

Way = Literal["ours", "stock", "teacher"]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Film:
    """Measurements of one film in its own process.

    read_bytes: size of the weights files
    load_bytes: resident memory added by loading
    cpu_seconds: processor time of all threads, which other programs affect less than `seconds`
    peaks: peak memory after each shot
    """

    read_bytes: int
    load_seconds: float
    load_bytes: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    peaks: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Steps and classifier-free guidance of the model that a distilled one learned from."""

    steps: int
    guidance: float


def film(way: Way, story: Path, device: str, sampling: Sampling | None = None) -> Film:
    """Load the model and render the film of a story in a new process. Importing the libraries is not measured.

    The way "teacher" is the stock pipeline with `sampling`; the others use the settings of the story.
    """
    return in_new_process(_ours if way == "ours" else _stock, plan_of(story, sampling), device)


def in_new_process(work: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function of a module, called in a process of its own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def plan_of(story: Path, sampling: Sampling | None = None) -> Plan:
    """The plan of a story, with another sampling if it is given."""
    parsed, _ = load_story(story)
    plan, _ = make_plan(parsed, find(parsed.model, relative_to=story.parent), model_fingerprint="speed")
    if sampling is None:
        return plan
    jobs = [replace(job, steps=sampling.steps, guidance=sampling.guidance) for job in plan.jobs]
    return replace(plan, jobs=tuple(jobs))


def _ours(plan: Plan, device: str) -> Film:
    from onestory_cli.models.load import load_model
    from onestory_cli.rendering.loading import tune_small_model
    from onestory_cli.rendering.model_generator import ModelGenerator
    from onestory_cli.rendering.render import render
    from onestory_cli.store.run import Run

    def make(model: object, folder: Path, shot_done: Callable[[], None]) -> None:
        def emit(event: Event) -> None:
            if isinstance(event, TakeCommitted):
                shot_done()

        generator = ModelGenerator(plan.model, lambda: model, lambda reader: model)  # type: ignore[arg-type,return-value]
        render(plan, Run.create(folder / "film.run"), lambda: generator, emit)

    weights = _weights(Path(plan.model.files.base)) + file_bytes(Path(plan.model.files.adapter))
    return _measured(weights, lambda: tune_small_model(load_model(plan.model, device)), make)


def _stock(plan: Plan, device: str) -> Film:
    from tests.benchmarks.speed.stock import load_stock, make_stock

    return _measured(
        _weights(Path(plan.model.files.base)),
        lambda: load_stock(plan.model, device),
        lambda model, folder, shot_done: make_stock(model, plan, folder, shot_done),
    )


def _weights(base: Path) -> int:
    """Total size of the weights of a stock pipeline folder, which both sides read once."""
    return sum(file_bytes(base / part) for part in read_json_map(base / INDEX) if (base / part).is_dir())


def file_bytes(folder: Path) -> int:
    """Total size of the safetensors in a folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _measured(
    read_bytes: int, load: Callable[[], object], make: Callable[[object, Path, Callable[[], None]], None]
) -> Film:
    """Measure loading and rendering; `make(model, folder, shot_done)` calls `shot_done()` after each shot."""
    peaks: list[int] = []
    before, start = resident_bytes(), time.perf_counter()
    model = load()
    loaded, load_bytes, spent = time.perf_counter(), resident_bytes() - before, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        make(model, Path(folder), lambda: peaks.append(peak_bytes()))
        ended, cpu = time.perf_counter(), time.process_time() - spent
    return Film(
        read_bytes=read_bytes,
        load_seconds=loaded - start,
        load_bytes=load_bytes,
        seconds=ended - loaded,
        cpu_seconds=cpu,
        peak_bytes=peak_bytes(),
        peaks=tuple(peaks),
    )
