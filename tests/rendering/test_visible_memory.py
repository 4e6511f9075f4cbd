"""The latents that the shots of a render can see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.render import render
from onestory_cli.store import latents as latents_module
from onestory_cli.store.run import Run
from tests.films import NumberShot, NumpyGenerator, latents_of, plan_of, render_with, shot


class MapCounter(NumpyGenerator):
    """Also counts how many of the visible latents of each shot are memory maps."""

    def __init__(self) -> None:
        super().__init__()
        self.mapped: list[tuple[int, int]] = []

    def generate(self, request: ShotRequest) -> NumberShot:
        memory = request.memory.values()
        self.mapped.append((sum(isinstance(latents, np.memmap) for latents in memory), len(memory)))
        return super().generate(request)


def test_only_the_latest_of_large_latents_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(*(shot(id) for id in "abcde"))
    render_with(plan, tmp_path / "small")
    monkeypatch.setattr(latents_module, "MAP_BYTES", 0)
    generator = MapCounter()
    render(plan, Run.create(tmp_path / "large"), lambda: generator)
    assert latents_of(tmp_path / "large") == latents_of(tmp_path / "small")
    assert [visible for _, visible in generator.mapped] == [0, 1, 2, 3, 4]
    assert all(mapped >= visible - 1 for mapped, visible in generator.mapped)
