"""Size of a page without clips, and seconds until Chromium has opened and painted it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.review.figure import Figure, seconds
from tests.benchmarks.review.films import film_of_takes, long_film, onestory
from tests.report.chromium import Page, browser

OPENED = """new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
  const [page] = performance.getEntriesByType('navigation');
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  done(Math.max(page.loadEventEnd, paint ? paint.startTime : 0) / 1000);
})))"""
TURNS = 5


def page_of_takes(folder: Path) -> list[Figure]:
    """Ten shots with three takes each."""
    return _measure("page of 10 shots with 3 takes", film_of_takes(folder), kilobytes=400, opened=0.5)


def page_of_long_film(folder: Path) -> list[Figure]:
    """300 shots."""
    return _measure("page of 300 shots", long_film(folder), kilobytes=4000, opened=1.5)


def _measure(name: str, run: Path, *, kilobytes: float, opened: float) -> list[Figure]:
    file = run.with_suffix(".html")
    onestory("report", str(run), "--link", "--force", "--out", str(file))
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
        samples = [_open(page, file) for _ in range(TURNS)]
    size = file.stat().st_size / 1000
    return [
        Figure(name=f"{name}, without clips", value=size, unit="kB", goal=kilobytes),
        seconds(f"{name}: open", samples, opened),
    ]


def _open(page: Page, file: Path) -> float:
    """Seconds from the navigation until the page is loaded and its first contents are painted."""
    page.open(file)
    return float(page.evaluate(OPENED))
