"""Shots are decoded and committed in the background, or at once if the next step needs the result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.store.run import Run
from tests.faults.kills import outcome_of
from tests.films import NumberShot, NumpyGenerator, plan_of, render_with, shot, three_shots

PATIENCE = 60.0  # seconds; only a broken loop waits so long


@dataclass(frozen=True, kw_only=True)
class LateShot:
    """A shot of numbers whose pixels are there once they are asked for."""

    made: NumberShot
    decoder: Callable[[np.ndarray], np.ndarray]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)

    def decode(self) -> np.ndarray:
        return self.decoder(self.made.decode())

    @property
    def seconds(self) -> Mapping[str, float]:
        return {**self.made.seconds, "decode": 0.5}


class LateMaker(NumpyGenerator):
    """`order` lists generated and decoded shots. With `background`, decoding waits until the next shot has started."""

    def __init__(self, *, background: bool = False, broken: str = "") -> None:
        super().__init__()
        self.order: list[str] = []
        self._begun = {name: threading.Event() for name in ("opening", "city", "return")}
        self._background, self._broken = background, broken

    def generate(self, request: ShotRequest) -> LateShot:  # type: ignore[override]
        job = request.job
        self.order.append(f"make {job.shot}")
        self._begun[job.shot].set()
        made = super().generate(request)
        names = list(self._begun)
        after = names[names.index(job.shot) + 1 :]

        def decode(pixels: np.ndarray) -> np.ndarray:
            if self._background and after:
                assert self._begun[after[0]].wait(PATIENCE), "the next shot waits for these pixels"
            if job.shot == self._broken:
                raise OnestoryError("M505", "no memory", help="wait")
            self.order.append(f"decode {job.shot}")
            return pixels

        return LateShot(made=made, decoder=decode)


def test_decoding_in_the_background_gives_the_same_film(tmp_path: Path) -> None:
    plan = three_shots()
    render_with(plan, tmp_path / "at-once")
    render_with(plan, tmp_path / "background", generator=LateMaker(background=True))
    assert outcome_of(tmp_path / "background") == outcome_of(tmp_path / "at-once")


def test_record_has_decoding_time_and_checks(tmp_path: Path) -> None:
    render_with(three_shots(), tmp_path / "at-once")
    render_with(three_shots(), tmp_path / "background", generator=LateMaker(background=True))
    records = [
        {name: shot_takes.takes[0].record for name, shot_takes in Run.open(tmp_path / place).takes_by_shot().items()}
        for place in ("at-once", "background")
    ]
    for name, record in records[1].items():
        assert record.checks
        assert (record.checks, record.colours) == (records[0][name].checks, records[0][name].colours)
        assert record.seconds == {"denoise": 0.25, "decode": 0.5}


def test_no_more_than_one_shot_waits(tmp_path: Path) -> None:
    order = (generator := LateMaker(background=True)).order
    render_with(three_shots(), tmp_path, generator=generator)
    assert order.index("decode opening") < order.index("decode city") < order.index("decode return")
    assert order.index("make city") < order.index("decode opening")
    assert order.index("make return") > order.index("decode opening")


def test_quality_checks_wait_for_the_pixels(tmp_path: Path) -> None:
    generator = LateMaker()
    render_with(three_shots(), tmp_path, generator=generator, retry_bad=1)
    assert generator.order == [
        f"{verb} {name}" for name in ("opening", "city", "return") for verb in ("make", "decode")
    ]


def test_take_is_committed_before_the_user_is_asked_to_accept_it(tmp_path: Path) -> None:
    plan = plan_of(shot("opening"), shot("city", accept="ask"), shot("return"))
    generator = LateMaker()
    with pytest.raises(OnestoryError, match="waits for you to accept"):
        render_with(plan, tmp_path, generator=generator)
    assert sorted(generator.order) == ["decode city", "decode opening", "make city", "make opening"]
    assert [take.record.checks != () for take in Run.open(tmp_path).takes_by_shot()["city"].takes] == [True]


def test_failed_decoding_loses_only_its_own_shot(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="no memory"):
        render_with(three_shots(), tmp_path, generator=LateMaker(broken="city"))
    assert set(Run.open(tmp_path).accepted()) == {"opening"}
    assert render_with(three_shots(), tmp_path, generator=LateMaker()).made == ["city", "return"]
