"""The models whose weights are on this machine."""

from __future__ import annotations

from onestory_cli.models.catalog import CATALOG, EMBEDDED, ModelSpec, find

_BY_MEMORY = {"context": 3, "references": 2, "first-frame": 1, "nothing": 0}


def best_installed() -> ModelSpec | None:
    """The downloaded model that remembers most, the largest of several; None if only embedded ones are there."""
    specs = [find(name) for name in CATALOG.builtin if name not in EMBEDDED]
    ready = [spec for spec in specs if spec.files.base]
    return max(ready, key=lambda spec: (_BY_MEMORY[spec.remembers], spec.memory_gb), default=None)
