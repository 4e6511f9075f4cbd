"""Benchmark films in several processes: the same results as in one, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.rollouts import BenchmarkSettings, FilmGroup, generate_group, split_into_groups
from onestory_cli.evaluation.suites import stories
from onestory_cli.evaluation.variants import by_policy
from onestory_cli.evaluation.workers import worker_pool
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.spec import ModelSpec
from onestory_cli.training.build import save_model
from tests.evaluation.conftest import WORLD

(ADAPTIVE,) = by_policy(("adaptive",), (4.0,), frames=8)
SECONDS = 30.0  # a process that was asked to exit must be gone by then

HIRE = """
import multiprocessing, sys
from onestory_cli.evaluation.workers import worker_pool
from onestory_cli.models.catalog import find
from tests.evaluation.test_workers import groups

with worker_pool(find(sys.argv[1]), "cpu", 2) as see:
    next(iter(see(groups(steps=1))))
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    list(see(groups(steps=100_000)))
"""


def groups(*, steps: int) -> Sequence[FilmGroup]:
    schedule = DenoiseConfig(name="euler", steps=steps, shift=2.0, guidance=1.0)
    return split_into_groups(stories(3, WORLD), ADAPTIVE, BenchmarkSettings(schedule=schedule, batch=2, workers=2))


@pytest.fixture
def spec(lively: LoadedModel, tmp_path: Path) -> ModelSpec:
    save_model(lively, tmp_path / "model")
    return find(str(tmp_path / "model"))


@pytest.mark.slow
def test_several_workers_give_the_result_of_one(readout: Readout, spec: ModelSpec) -> None:
    asked = groups(steps=1)
    with worker_pool(spec, "cpu", 2) as see:
        there = list(see(asked))
        assert len(multiprocessing.active_children()) == 2
    loaded = load_model(
        spec, "cpu"
    )  # not `lively`: its memory layout differs, which changes the last bits and close scores
    here = [generate_group(loaded, readout, group) for group in asked]
    assert [seen.selections for seen in there] == [seen.selections for seen in here]
    for one, other in zip(there, here, strict=True):
        for views, others in zip(one.views, other.views, strict=True):
            for view, same in zip(views, others, strict=True):
                assert np.array_equal(view.place, same.place)
    assert multiprocessing.active_children() == []


@pytest.mark.fault
def test_killed_worker_is_reported(spec: ModelSpec) -> None:
    with worker_pool(spec, "cpu", 2) as see:
        seen = iter(see([*groups(steps=1), *groups(steps=100_000)]))
        next(seen)
        child = multiprocessing.active_children()[0]
        child.kill()
        with pytest.raises(OnestoryError, match="killed") as fault:
            list(seen)
    assert fault.value.code == "U607"
    assert "--workers" in fault.value.help
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_loading_error_of_a_worker_keeps_its_code(spec: ModelSpec) -> None:
    (Path(spec.files.base) / "transformer" / "config.json").unlink()
    with worker_pool(spec, "cpu", 1) as see, pytest.raises(OnestoryError) as fault:
        list(see(groups(steps=1)))
    assert fault.value.code.startswith("M5")


@pytest.mark.fault
def test_error_in_parent_stops_workers(spec: ModelSpec) -> None:
    def interrupted() -> None:
        with worker_pool(spec, "cpu", 2) as see:
            next(iter(see([*groups(steps=1), *groups(steps=100_000)])))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert multiprocessing.active_children() == []


@pytest.mark.fault
def test_workers_exit_when_their_parent_dies(spec: ModelSpec) -> None:
    folder = str(spec.files.base)
    with subprocess.Popen([sys.executable, "-c", HIRE, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == 2
        process.kill()
    end = time.monotonic() + SECONDS
    while any(map(_lives, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_lives, workers))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return (
            "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        )  # its exit status may not have been read yet
    except (ProcessLookupError, FileNotFoundError):
        return False
