"""Measured values with their goals, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured, in `unit`. `goal` is the largest value that is good enough; None without a goal."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    about: str = ""

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value <= self.goal


def seconds(name: str, samples: Sequence[float], goal: float | None = None) -> Figure:
    """The median of repeated timings, with the fastest and the slowest."""
    about = f"{min(samples):.2f} to {max(samples):.2f} in {len(samples)} runs" if len(samples) > 1 else ""
    return Figure(name=name, value=median(samples), unit="s", goal=goal, about=about)


HEAD = "| what | measured | goal | |\n|---|---|---|---|\n"


def row(figure: Figure) -> str:
    """A row of a Markdown table; a value that misses its goal is marked."""
    value = f"{figure.value:.{_DIGITS[figure.unit]}f} {figure.unit}"
    return f"| {figure.name} | {value} | {_goal(figure)} | {figure.about} |\n"


_DIGITS = {"s": 3, "kB": 0, "%": 2}


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{figure.goal:g} {figure.unit}" + ("" if figure.is_met else ", missed")
