"""The checks of a take: limits and reasons. `media/clip_faults.py` measures, `store` keeps, `rendering` judges.

A number that cannot be told is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What makes a clip bad: a number above `limit`, or below it where little is the fault. `why` has its source."""

    name: str
    code: str
    limit: float
    below: bool = False
    message: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One number of one take, and the limit that it was judged by; None where it could not be told."""

    name: str
    value: float | None
    limit: float
    bad: bool

    @property
    def excess(self) -> float:
        """How far beyond the limit a bad number is, at least 1; 0 for a good one."""
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
            message="it cuts to another picture in the middle of the shot",
            why="mean change of grey between two frames, of 1, three times that of the frames beside it, and no "
            "part of a flash: 15 of 255 and 3.0 are the defaults of PySceneDetect's AdaptiveDetector",
        ),
        Rule(
            name=FLASH,
            code="W321",
            limit=15 / 255,
            message="it flashes",
            why="mean change of grey, of 1, that is taken back within two frames: the limit of a cut. WCAG's, a tenth "
            "of full luminance, found fewer of the flashes put into true clips of the storyworld, and no other picture",
        ),
        Rule(
            name=FROZEN,
            code="W322",
            limit=0.001,
            below=True,
            message="nothing moves in it",
            why="largest change between two frames, of 1: -60 dB, the default of FFmpeg's freezedetect; judged where "
            "the shot shows a declared character or the story declares none, since an empty place may stand still",
        ),
        Rule(
            name=BLACK,
            code="W323",
            limit=0.5,
            message="it is black",
            why="share of frames with 98 % of their pixels below 10 % of luma, the defaults of FFmpeg's blackdetect; "
            "half of the frames, so that a fade is none",
        ),
        Rule(
            name=SHIFT,
            code="W324",
            limit=35.0,
            message="its colours are far from those of the same setting in its memory",
            why="distance in CIELAB between the mean colour of the clip and of the nearest remembered frame of a "
            "setting that its caption names too: framing alone came to 34.5 in 360 true clips of the "
            "storyworld, with all earlier frames of a place remembered",
        ),
    )
}


def judge(name: str, value: float | None) -> Check:
    """A number as a check of its rule. It is rounded first, so that a record says what was judged."""
    rule = RULES[name]
    number = None if value is None else round(float(value), 4)
    limit = round(rule.limit, 4)
    bad = number is not None and (number < limit if rule.below else number > limit)
    return Check(name=name, value=number, limit=limit, bad=bad)


def faults(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks that are bad."""
    return tuple(check for check in checks if check.bad)


def fault_severity(checks: Iterable[Check]) -> tuple[int, float]:
    """How bad a take is, to compare it with others: how many faults it has, then how far they are beyond the limits."""
    bad = faults(checks)
    return len(bad), round(sum(check.excess for check in bad), 4)
