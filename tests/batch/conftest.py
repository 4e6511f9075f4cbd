"""Films of two shots by a tiny model of the real classes, and what they come to in one process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from onestory_cli.batch.films import Film, films_of
from onestory_cli.batch.render_story import Models, Work, render_story
from onestory_cli.batch.run import Planned
from onestory_cli.commands.compiling import compile_story
from onestory_cli.store.run import Run
from tests.tiny import tiny_folder

__all__ = ["tiny_folder"]

STORY = """\
story: 1
title: {title}
model: {model}
seed: {seed}
shots:
  - {{id: opening, caption: A fox walks., steps: {steps}}}
  - {{id: return, caption: The same fox waves., steps: {steps}}}
"""

Tell = Callable[..., list[Planned]]


@pytest.fixture
def tell(tmp_path: Path, tiny_folder: Path) -> Tell:
    """Plans of so many stories, each with a run directory below `out`."""

    def plans(films: int, *, out: str = "out", steps: int = 2) -> list[Planned]:
        paths = [tmp_path / f"{number}.story.yaml" for number in range(films)]
        for number, path in enumerate(paths):
            title = json.dumps(f"Film {number}")
            path.write_text(STORY.format(title=title, model=json.dumps(str(tiny_folder)), seed=number, steps=steps))
        return [planned(film) for film in films_of(paths, tmp_path / out)]

    return plans


def planned(film: Film) -> Planned:
    plan, _ = compile_story(film.story, allow_outside=True)
    return Planned(film=film, plan=plan)


def latents(run: Path) -> list[bytes]:
    """The latents of a film, shot by shot, as they are on the disk."""
    state = Run.open(run).state()
    assert state is not None
    return [(run / "shots" / shot.folder / "latents.safetensors").read_bytes() for shot in state.shots.values()]


def alone(plans: Sequence[Planned]) -> list[list[bytes]]:
    """The same films by one worker in this process, with one thread."""
    from onestory_cli.batch.films import prepare

    models = Models(Work(device="cpu", threads=1))
    for item in plans:
        prepare(item.film, item.plan)
        assert render_story(item.film.run, models).state == "done"
    return [latents(item.film.run) for item in plans]
