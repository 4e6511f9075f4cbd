"""Rendered films for the report, without weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.memory.levels import FIRST_FRAME
from onestory_cli.planning.compile import compile_story
from onestory_cli.report.data import FilmReport, Frame, ShotMemory, read_film
from onestory_cli.store.run import Run
from tests.commands.conftest import Onestory, film_run, onestory, story
from tests.films import NamingGenerator, render_with

__all__ = ["Onestory", "film_run", "onestory", "story"]  # fixtures


def film_of(folder: Path) -> FilmReport:
    return read_film(Run.open(folder))


def render_story(story: Path, folder: Path, *, naming: bool = False) -> FilmReport:
    """Render a story file into a run directory and read the report data."""
    plan, _ = compile_story(story)
    render_with(plan, folder, generator=NamingGenerator(plan.model) if naming else None)
    return film_of(folder)


def without_token_costs(film: FilmReport) -> FilmReport:
    """The film as from a base that starts from a remembered frame: its memory costs no tokens."""
    return replace(film, shots=tuple(replace(shot, memory=_free(shot.memory)) for shot in film.shots))


def _free(memory: ShotMemory) -> ShotMemory:
    def free(frame: Frame) -> Frame:
        return replace(frame, level=FIRST_FRAME.name, tokens=0) if frame.place else frame

    sources = (replace(source, frames=tuple(map(free, source.frames))) for source in memory.sources)
    return replace(memory, sources=tuple(sources))


@pytest.fixture
def film(film_run: Path) -> FilmReport:
    return film_of(film_run)
