"""One row of the table of codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Code:
    """A kind of error or warning. `bad` is a short literal example that causes it, and `good` the corrected one."""

    code: str
    title: str
    explanation: str
    bad: str
    good: str

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code.startswith("W") else "error"
