"""The quality checks of a take: their limits and the sources of these.

`media/clip_faults.py` measures, `rendering` judges, `store` saves the results. A value that cannot be measured is None.
`tests/media/alarms.py` runs the measurements again that the limits refer to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A check: a value above `limit` fails, or one below it if `below`. `why` describes the value and the limit."""

    name: str
    code: str
    limit: float
    below: bool = False
    message: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check of one take: its value (None if it cannot be measured) and the limit applied."""

    name: str
    value: float | None
    limit: float
    bad: bool

    @property
    def excess(self) -> float:
        """The ratio of a failed value to its limit, at least 1; 0 for a passed check."""
        if not self.bad or self.value is None:
            return 0.0
        low, high = sorted((self.value, self.limit))
        return high / max(low, high / 100)

    def __str__(self) -> str:
        return f"{self.name} {self.value:g}" if self.value is not None else self.name


CUT, FLASH, FROZEN, BLACK, SHIFT = "stray cut", "flash", "frozen", "black", "colour shift"
RULES = {
    rule.name: rule
    for rule in (
        Rule(
            name=CUT,
            code="W320",
            limit=15 / 255,
            message="it has a cut in the middle of the shot",
            why="mean change of grey (0 to 1) between two frames that is three times that of the neighbouring frames "
            "and not part of a flash; 15/255 and 3.0 are the defaults of PySceneDetect's AdaptiveDetector",
        ),
        Rule(
            name=FLASH,
            code="W321",
            limit=15 / 255,
            message="it flashes",
            why="mean change of grey (0 to 1) that reverses within two frames, with the limit of a cut. WCAG's limit, "
            "a tenth of full luminance, found fewer of the flashes inserted into storyworld clips",
        ),
        Rule(
            name=FROZEN,
            code="W322",
            limit=0.001,
            below=True,
            message="nothing moves",
            why="largest change between two frames (0 to 1): -60 dB, the default of FFmpeg's freezedetect. Applied "
            "to shots that show a declared character, and to all if the story declares none: a setting may be still",
        ),
        Rule(
            name=BLACK,
            code="W323",
            limit=0.5,
            message="it is black",
            why="share of frames with 98 % of their pixels below 10 % luma, the defaults of FFmpeg's blackdetect; the "
            "limit is half of the frames, so that a fade passes",
        ),
        Rule(
            name=SHIFT,
            code="W324",
            limit=35.0,
            message="its colours differ from those of the same setting in its memory",
            why="CIELAB distance between the mean colour of the clip and that of the nearest remembered frame of the "
            "same setting. Different framing alone reached 34.5 in 360 storyworld clips",
        ),
    )
}


def judge(name: str, value: float | None) -> Check:
    """Apply the rule of a check to a value. The value is rounded first, so that the record has the number compared."""
    rule = RULES[name]
    number = None if value is None else round(float(value), 4)
    limit = round(rule.limit, 4)
    bad = number is not None and (number < limit if rule.below else number > limit)
    return Check(name=name, value=number, limit=limit, bad=bad)


def faults(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The failed checks."""
    return tuple(check for check in checks if check.bad)


def fault_severity(checks: Iterable[Check]) -> tuple[int, float]:
    """A sort key, best first: the number of failed checks, then the sum of their excess."""
    bad = faults(checks)
    return len(bad), round(sum(check.excess for check in bad), 4)
