"""Rendered films for the report, made by arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.commands.compiling import compile_story
from onestory_cli.report.data import FilmReport, read_film
from onestory_cli.store.run import Run
from tests.commands.conftest import Onestory, film_run, onestory, story
from tests.films import NamingMaker, render_with

__all__ = ["Onestory", "film_run", "onestory", "story"]  # fixtures


def film_of(folder: Path) -> FilmReport:
    return read_film(Run.open(folder))


def render_story(story: Path, folder: Path, *, naming: bool = False) -> FilmReport:
    """Render a story file into a run directory and read that."""
    plan, _ = compile_story(story)
    render_with(plan, folder, maker=NamingMaker(plan.model) if naming else None)
    return film_of(folder)


@pytest.fixture
def film(film_run: Path) -> FilmReport:
    return film_of(film_run)
