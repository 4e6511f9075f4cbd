"""Measures of a film, as JSON, as tables and as Markdown.

A measure that is not available is None, not 0. Means state the number of values that were available.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Literal

from onestory_cli.evaluation.result import SCHEMA, Row, markdown

COLUMNS = ("measure", "value", "measured on")
SHOT_COLUMNS = (
    "shot",
    "alignment",
    "subject",
    "background",
    "motion",
    "moves",
    "drift",
    "cuts at",
    "flashes at",
    "characters found",
)

RIGHT = (
    "species",
    "colour",
    "accessory",
    "accessory colour",
    "all looks",
    "setting",
)  # attributes that a description can name


@dataclass(frozen=True, kw_only=True)
class ShotMeasures:
    """One clip of `frames` frames; `clip` is the SHA-256 of its file.

    alignment: cosine of clip and caption
    caption_read: whether the network read the whole caption
    subject, background: consistency of the whole frame, and of the frame without its characters, 0 .. 1
    motion: motion of the fastest blocks in an eighth of a second, as a share of the shorter side
    dynamic: whether there is enough motion
    drift: colour difference (CIE76) between the first and the last quarter
    cuts, flashes: indices of frames where other content begins, or appears for a moment
    found: character -> number of examined frames that show it; empty without a detector
    identity: character that the caption names -> cosine to the first shot in which it was found, None if it was not
    found; empty without a detector or embedder
    right: character or setting -> attribute -> whether the clip shows it as described; from the read-out only
    """

    shot: str
    clip: str
    frames: int
    alignment: float | None
    caption_read: bool | None
    subject: float | None
    background: float | None
    motion: float | None
    dynamic: bool | None
    drift: float
    cuts: tuple[int, ...]
    flashes: tuple[int, ...]
    found: Mapping[str, int]
    identity: Mapping[str, float | None] = field(default_factory=dict)
    right: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A character or setting, named by `shots` shots.

    found: number of shots in which it was found; None without a detector or embedder
    likeness: mean cosine over pairs of the shots in which it was found
    drift: for a setting, the mean colour difference (CIE76) between the first shot and each later one
    """

    id: str
    shots: int
    found: int | None
    likeness: float | None
    drift: float | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean or a total over `n` of `of` possible values."""

    value: float | None
    n: int
    of: int
    unit: str

    @classmethod
    def total(cls, values: Sequence[int], unit: str) -> Score:
        return cls(value=sum(values), n=len(values), of=len(values), unit=unit)

    @classmethod
    def mean(cls, values: Sequence[float | None], unit: str) -> Score:
        known = [value for value in values if value is not None]
        return cls(value=fmean(known) if known else None, n=len(known), of=len(values), unit=unit)


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """Measures of a film; `missing`: shots without a complete clip, `provenance`: networks and versions."""

    film: str
    missing: tuple[str, ...]
    shots: tuple[ShotMeasures, ...]
    characters: tuple[Entity, ...]
    settings: tuple[Entity, ...]
    seconds: float
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, Score]:
        """The measures of the whole film; story-level ones first, in the paper's order."""
        return {
            "character consistency": _over_shots(self.characters, "characters"),
            "environment consistency": _over_shots(self.settings, "settings"),
            "caption alignment": Score.mean([item.alignment for item in self.shots], "shots"),
            "subject consistency": Score.mean([item.subject for item in self.shots], "shots"),
            "background consistency": Score.mean([item.background for item in self.shots], "shots"),
            "dynamic degree": Score.mean([item.dynamic for item in self.shots], "shots"),
            "colour drift within shots": Score.mean([item.drift for item in self.shots], "shots"),
            "colour drift of settings": _over_shots(self.settings, "settings", "drift"),
            "stray cuts": Score.total([len(item.cuts) for item in self.shots], "shots"),
            "flashes": Score.total([len(item.flashes) for item in self.shots], "shots"),
            **self._right(),
        }

    def _right(self) -> dict[str, Score]:
        """Attribute -> the share of descriptions that the clips match."""
        marks = [mark for shot in self.shots for named in shot.right.values() for mark in named.items()]
        values = {name: [value for other, value in marks if other == name] for name in RIGHT}
        return {f"right: {name}": Score.mean(items, "descriptions") for name, items in values.items() if items}

    def document(self) -> dict[str, object]:
        """Return the result as JSON."""
        scores = {name: asdict(score) for name, score in self.scores.items()}
        return {"schema": SCHEMA, "benchmark": "videos", "scores": scores, **asdict(self)}

    def table(self) -> list[Row]:
        """A line per measure, under `COLUMNS`."""
        rows: list[Row] = [
            (name, number(item.value), f"{item.n} of {item.of} {item.unit}") for name, item in self.scores.items()
        ]
        for entity in (*self.characters, *self.settings):
            rows.append((f"  {entity.id}", number(entity.likeness), f"{number(entity.found)} of {entity.shots} shots"))
        return rows

    def shot_table(self) -> list[Row]:
        """A line per shot, under `SHOT_COLUMNS`."""
        return [_shot(item) for item in self.shots]

    def markdown(self) -> str:
        """Both tables as Markdown."""
        return f"{markdown([COLUMNS, *self.table()])}\n{markdown([SHOT_COLUMNS, *self.shot_table()])}"


def number(value: float | None) -> str:
    """Format a number with four digits, as in the paper; counts without decimals, and None as a dash."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _over_shots(entities: Sequence[Entity], unit: str, measure: Literal["likeness", "drift"] = "likeness") -> Score:
    """The mean over entities that are in more than one shot; others have nothing to compare."""
    return Score.mean([getattr(item, measure) for item in entities if item.shots > 1], f"{unit} that return")


def _shot(item: ShotMeasures) -> Row:
    moves = {None: "-", True: "yes", False: "no"}[item.dynamic]
    found = ", ".join(f"{name} {count}" for name, count in item.found.items()) or "-"
    values = (item.alignment, item.subject, item.background, item.motion)
    places = (", ".join(map(str, items)) or "-" for items in (item.cuts, item.flashes))
    return (item.shot, *map(number, values), moves, number(item.drift), *places, found)
