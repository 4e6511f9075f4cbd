"""Every check of a take: its value on disk, its warning, and another take from `--retry-bad`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.quality import BLACK, CUT, FLASH, FROZEN, RULES, SHIFT
from onestory_cli.rendering import loading
from onestory_cli.rendering.generator import ShotRequest
from tests.commands.conftest import Onestory, change
from tests.films import NumberShot, NumpyGenerator

Spoil = Callable[[np.ndarray], None]
SPOILED = "return"


def cut(pixels: np.ndarray) -> None:
    pixels[8:] += 100


def flash(pixels: np.ndarray) -> None:
    pixels[8] = 255


def freeze(pixels: np.ndarray) -> None:
    pixels[:] = pixels[0]


def blacken(pixels: np.ndarray) -> None:
    pixels[:] //= 16


def redden(pixels: np.ndarray) -> None:
    pixels[..., 0] += 140
    pixels[..., 1:] //= 16


class Spoiler(NumpyGenerator):
    """Generates clips that get slowly lighter; the first take of one shot is spoiled."""

    def __init__(self, spec: ModelSpec, spoil: Spoil) -> None:
        super().__init__(spec)
        self._spoil = spoil

    def generate(self, request: ShotRequest) -> NumberShot:
        job = request.job
        made = super().generate(request)
        pixels = np.full_like(made.pixels_PHWC, 60) + np.arange(job.frames, dtype=np.uint8)[:, None, None, None]
        if job.shot == SPOILED and job.take == 0:
            self._spoil(pixels)
        return NumberShot(**{**vars(made), "pixels_PHWC": pixels})


def checks_of(run: Path, shot: str, take: int = 0) -> dict[str, dict[str, Any]]:
    """The checks in record.json, by name."""
    records = [json.loads(path.read_text()) for path in run.glob(f"shots/{shot}/*/record.json")]
    (record,) = (record for record in records if record["take"] == take)
    return {check["name"]: check for check in record["checks"]}


def accepted(run: Path) -> int:
    number: int = json.loads((run / "run.json").read_text())["shots"][SPOILED]["take"]
    return number


@pytest.mark.parametrize(
    ("name", "spoil"), [(CUT, cut), (FLASH, flash), (FROZEN, freeze), (BLACK, blacken), (SHIFT, redden)]
)
def test_fault_has_a_value_a_warning_and_a_retry(
    onestory: Onestory, story: Path, monkeypatch: pytest.MonkeyPatch, name: str, spoil: Spoil
) -> None:
    change(story, "shots:\n", "defaults: {duration: 2s}\nshots:\n")
    change(story, "$fox waves on $beach.", "$fox waves on $beach.\n    memory: {from: [opening]}")
    loader = "onestory_cli.rendering.loading.model_loader"
    monkeypatch.setattr(loader, lambda spec, *_, **__: lambda: Spoiler(spec, spoil))

    result = onestory("render", story)
    assert result.exit is ExitCode.DONE
    assert f'warning[{RULES[name].code}] take 0 of "{SPOILED}"' in result.err
    assert result.err.count("warning[") == 1
    check = checks_of(Path("film.run"), SPOILED)[name]
    assert (check["bad"], check["limit"]) == (True, round(RULES[name].limit, 4))
    assert (check["value"] < check["limit"]) is RULES[name].below
    others = [checks_of(Path("film.run"), shot) for shot in ("opening", "city")]
    assert [check for checks in others for check in checks.values() if check["bad"]] == []
    assert (accepted(Path("film.run")), "1 kept take has faults" in onestory("render", story).err) == (0, True)

    assert onestory("render", story, "--retry-bad", "2").exit is ExitCode.DONE
    assert accepted(Path("film.run")) == 1
    assert not any(check["bad"] for check in checks_of(Path("film.run"), SPOILED, take=1).values())


@pytest.mark.parametrize(("fail_on", "exit"), [("faults", 1), ("W323", 1), ("W32x", 1), ("W320", 0), ("W310", 0)])
def test_fail_on_faults_fails_the_render_and_its_shot_in_junit(
    onestory: Onestory, story: Path, monkeypatch: pytest.MonkeyPatch, fail_on: str, exit: int
) -> None:
    monkeypatch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: Spoiler(spec, blacken))
    result = onestory("render", story, "--fail-on", fail_on, "--junit", "junit.xml")
    assert result.exit == exit
    assert result.out == "film.run/film.mp4\n"
    cases = ElementTree.parse("junit.xml").iter("testcase")
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failed == [SPOILED] * exit
