"""Films of two shots with a tiny model of the real classes, and their result in a single process. Needs torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from onestory_cli.batch.films import BatchFilm, list_films, prepare
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.batch.run_batch import PlannedFilm
from onestory_cli.events import PartialKept
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.layout import EVENTS, LOCK
from onestory_cli.store.run import Run

STORY = """\
story: 1
title: {title}
model: {model}
seed: {seed}
shots:
  - {{id: opening, caption: A fox walks., steps: {steps}}}
  - {{id: return, caption: The same fox waves., steps: {steps}}}
"""


def plans_of(folder: Path, model: Path, *, films: int, steps: int, out: str) -> list[PlannedFilm]:
    """Plans of `films` stories in `folder`, each with its own seed and run directory below `out`."""
    paths = [folder / f"{number}.story.yaml" for number in range(films)]
    for number, path in enumerate(paths):
        title = json.dumps(f"Film {number}")
        path.write_text(STORY.format(title=title, model=json.dumps(str(model)), seed=number, steps=steps))
    return [planned(film) for film in list_films(paths, folder / out)]


def planned(film: BatchFilm) -> PlannedFilm:
    plan, _ = compile_story(film.story, allow_outside=True)
    return PlannedFilm(film=film, plan=plan)


def make_alone(plans: Sequence[PlannedFilm]) -> None:
    """Render all films one after another in this process, with one thread."""
    models = ModelCache(WorkerConfig(device="cpu", threads=1))
    for item in plans:
        prepare(item.film, item.plan)
        assert render_story(item.film.run, models).state == "done"


def alone(plans: Sequence[PlannedFilm]) -> list[list[bytes]]:
    """Render the films with `make_alone` and return their latents."""
    make_alone(plans)
    return [latents(item.film.run) for item in plans]


def latents(run: Path) -> list[bytes]:
    """The stored latents of a film, shot by shot."""
    state = Run.open(run).state()
    assert state is not None
    return [(run / "shots" / shot.folder / "latents.safetensors").read_bytes() for shot in state.shots.values()]


def holder_of(run: Path) -> int:
    """The process that is rendering a film, which holds its lock.

    Raises:
        FileNotFoundError: no process holds it.
    """
    return int(json.loads((run / LOCK).read_bytes())["pid"])


def recomputed_steps(run: Path) -> int:
    """The number of saved steps of a film that were computed again."""
    lines = [json.loads(line) for line in (run / EVENTS).read_text().splitlines()]
    kept = Counter((line["shot"], line["step"]) for line in lines if line["event"] == PartialKept.__name__)
    return kept.total() - len(kept)
