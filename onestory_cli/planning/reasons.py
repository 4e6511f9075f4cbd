"""Reason: why a shot is rendered or its take reused. Every decision has one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonKind(StrEnum):
    NEW = "new"
    CAPTION = "caption"
    SEED = "seed"
    SETTINGS = "settings"
    MODEL = "model"
    MEMORY = "memory"
    WAITS = "waits"
    IMAGE = "image"
    FORCED = "forced"
    DAMAGED = "damaged"
    INTERRUPTED = "interrupted"
    KEPT = "kept"
    IMPORTED = "imported"


CHANGES = (
    ReasonKind.MODEL,
    ReasonKind.CAPTION,
    ReasonKind.IMAGE,
    ReasonKind.SEED,
    ReasonKind.SETTINGS,
    ReasonKind.MEMORY,
)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """`str()` gives the text for people: "caption changed", "memory changed: opening[2] differs", "waits for city"."""

    kind: ReasonKind
    detail: str = ""

    def __str__(self) -> str:
        if self.kind is ReasonKind.WAITS:
            return f"waits for {self.detail}"
        words = f"{self.kind} changed" if self.kind in CHANGES else str(self.kind)
        return f"{words}: {self.detail}" if self.detail else words
