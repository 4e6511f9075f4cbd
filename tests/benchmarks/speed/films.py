"""A whole film by our engine and by the stock loop, each in a fresh process, so that neither profits from the other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from onestory_cli.events import Event, TakeCommitted
from onestory_cli.models.catalog import find
from onestory_cli.models.folder import INDEX
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.load import load_story
from onestory_cli.utils.untrusted import read_json_map
from tests.benchmarks.speed.memory import peak_bytes, resident_bytes

Way = Literal["ours", "stock"]


@dataclass(frozen=True, kw_only=True)
class Film:
    """One film in one process: what loading read, took and left resident, seconds of making, and the peak of memory,
    in the end and by the time that each shot was whole.

    `cpu_seconds` are of all threads together; other programs on the machine disturb them less.
    """

    read_bytes: int
    load_seconds: float
    load_bytes: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    peaks: tuple[int, ...]


def film(way: Way, story: Path, device: str) -> Film:
    """Load and make the film of a story in a new process; the libraries are imported before the clock starts."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(WAYS[way], story, device).result()


def plan_of(story: Path) -> Plan:
    parsed, _ = load_story(story)
    plan, _ = make_plan(parsed, find(parsed.model, relative_to=story.parent), model_fingerprint="speed")
    return plan


def _ours(story: Path, device: str) -> Film:
    from onestory_cli.models.load import load_model
    from onestory_cli.rendering.model_generator import ModelGenerator
    from onestory_cli.rendering.render import render
    from onestory_cli.store.run import Run

    plan = plan_of(story)

    def make(model: object, folder: Path, whole: Callable[[], None]) -> None:
        def emit(event: Event) -> None:
            if isinstance(event, TakeCommitted):
                whole()

        maker = ModelGenerator(plan.model, lambda: model, lambda reader: model)  # type: ignore[arg-type,return-value]
        render(plan, Run.create(folder / "film.run"), lambda: maker, emit)

    weights = _weights(Path(plan.model.files.base)) + file_bytes(Path(plan.model.files.adapter))
    return _measured(weights, lambda: load_model(plan.model, device), make)


def _stock(story: Path, device: str) -> Film:
    from tests.benchmarks.speed.stock import load_stock, make_stock

    plan = plan_of(story)
    return _measured(
        _weights(Path(plan.model.files.base)),
        lambda: load_stock(plan.model, device),
        lambda model, folder, whole: make_stock(model, plan, folder, whole),
    )


WAYS: dict[Way, Callable[[Path, str], Film]] = {"ours": _ours, "stock": _stock}


def _weights(base: Path) -> int:
    """Bytes of the files of weights that a stock pipeline's folder names; both ways read each of them once."""
    return sum(file_bytes(base / part) for part in read_json_map(base / INDEX) if (base / part).is_dir())


def file_bytes(folder: Path) -> int:
    """Bytes of the safetensors in a folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _measured(
    read_bytes: int, load: Callable[[], object], make: Callable[[object, Path, Callable[[], None]], None]
) -> Film:
    """`make` is given the model, a folder, and what it calls when a shot is whole."""
    peaks: list[int] = []
    before, began = resident_bytes(), time.perf_counter()
    model = load()
    loaded, load_bytes, spent = time.perf_counter(), resident_bytes() - before, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        make(model, Path(folder), lambda: peaks.append(peak_bytes()))
        ended, cpu = time.perf_counter(), time.process_time() - spent
    return Film(
        read_bytes=read_bytes,
        load_seconds=loaded - began,
        load_bytes=load_bytes,
        seconds=ended - loaded,
        cpu_seconds=cpu,
        peak_bytes=peak_bytes(),
        peaks=tuple(peaks),
    )
