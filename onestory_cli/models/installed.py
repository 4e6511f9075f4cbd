"""The models whose weights are on this machine."""

from __future__ import annotations

from typing import get_args

from onestory_cli.models.availability import Presence, presence
from onestory_cli.models.catalog import CATALOG, EMBEDDED, ModelSpec, find
from onestory_cli.models.spec import MemoryInput

_MOST_FIRST: tuple[MemoryInput, ...] = get_args(MemoryInput)


def best_installed() -> ModelSpec | None:
    """The downloaded model that remembers most, the largest of several; None if only embedded ones are there."""
    specs = [find(name) for name in CATALOG.builtin if name not in EMBEDDED]
    ready = [spec for spec in specs if presence(spec) is Presence.WHOLE]
    return max(ready, key=lambda spec: (-_MOST_FIRST.index(spec.remembers), spec.memory_gb), default=None)
