"""One row of the table of codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Code:
    """A kind of error or warning. `bad` causes it, `good` is the same thing mended; both are short and literal."""

    code: str
    title: str
    explanation: str
    bad: str
    good: str

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code.startswith("W") else "error"
