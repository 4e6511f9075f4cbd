"""Plans of small films of a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.batch.run_batch import PlannedFilm
from tests.batch.films import plans_of
from tests.tiny import tiny_folder

__all__ = ["tiny_folder"]

PlanFilms = Callable[..., list[PlannedFilm]]


@pytest.fixture
def plan_films(tmp_path: Path, tiny_folder: Path) -> PlanFilms:
    """A function that plans the given number of films, each with a run directory below `out`."""

    def plans(films: int, *, out: str = "out", steps: int = 2) -> list[PlannedFilm]:
        return plans_of(tmp_path, tiny_folder, films=films, steps=steps, out=out)

    return plans
