"""Random sequences of edits, renders, kills, takes, accepts, prunes and moves of one film.

Whatever the sequence, the film is the one that a fresh render of the final story gives. `python -m
tests.faults.sequences --sequences 200` runs that many. The oracle renders in memory, without a run directory.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from onestory_cli.media.video import read_clip
from onestory_cli.planning.jobs import Plan, retake
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store import prune
from onestory_cli.store.record import Record
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import find_take, list_takes
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import lock_run
from onestory_cli.story.types import Shot
from tests.faults.films import Film
from tests.faults.harms import cut, delete, flip
from tests.faults.kills import DeadlyDisk, end_of, start
from tests.films import NumpyGenerator, plan_of, shot

NAMES = ("opening", "city", "return", "end")
CAPTIONS = ("a fox walks", "a city at night", "they meet", "it rains")
SHM = Path("/dev/shm")
MAX_OPERATIONS = 60  # a kill later than that finds a finished render

places = st.integers(0, len(NAMES) - 1)
captions = st.sampled_from(CAPTIONS)


class FilmHistory(RuleBasedStateMachine):
    """One run directory, and the shots of its story."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self._run = self._folder / "film.run"
        self._shots: list[Shot] = []
        self._moves = 0

    @initialize()
    def write(self) -> None:
        self._shots = [shot("opening", "a fox walks"), shot("city", "a city at night")]
        self.render()

    @property
    def plan(self) -> Plan:
        return plan_of(*self._shots)

    @rule(place=places, caption=captions)
    def edit(self, place: int, caption: str) -> None:
        self._change(place, caption=caption, resolved_caption=caption)

    @rule(place=places, seed=st.sampled_from([None, 11]))
    def reseed(self, place: int, seed: int | None) -> None:
        self._change(place, seed=seed)

    @rule(place=places, caption=captions)
    def insert(self, place: int, caption: str) -> None:
        if free := [name for name in NAMES if name not in self._ids()]:
            self._shots.insert(place, shot(free[0], caption))

    @precondition(lambda self: len(self._shots) > 1)
    @rule(place=places)
    def remove(self, place: int) -> None:
        del self._shots[place % len(self._shots)]

    @rule(place=places)
    def rename(self, place: int) -> None:
        if free := [name for name in NAMES if name not in self._ids()]:
            self._change(place, id=free[0])

    @rule(place=places)
    def reorder(self, place: int) -> None:
        self._shots.insert(0, self._shots.pop(place % len(self._shots)))

    @rule()
    def render(self) -> None:
        render(self.plan, Run.create(self._run), NumpyGenerator)

    @rule(place=places)
    def render_again(self, place: int) -> None:
        name = self._ids()[place % len(self._shots)]
        render(self.plan, Run.create(self._run), NumpyGenerator, options=RenderOptions(force=(name,)))

    @rule(at=st.integers(0, MAX_OPERATIONS))
    def kill(self, at: int) -> None:
        film = Film(name="numbers", plan=self.plan, load=NumpyGenerator)
        end_of(start(film, self._run, DeadlyDisk(self._run, at)))

    @rule(place=places)
    def take(self, place: int) -> None:
        self.render()
        make_takes(self.plan, Run.open(self._run), NumpyGenerator, shot=self._ids()[place % len(self._shots)])

    @rule(place=places, number=st.integers(0, 3))
    def accept(self, place: int, number: int) -> None:
        name, run = self._ids()[place % len(self._shots)], Run.open(self._run)
        fitting = {item.take.record.take for item in list_takes(self.plan, run, name) if item.fits}
        if fitting:
            wanted = str(sorted(fitting)[number % len(fitting)])
            with lock_run(run) as writer:
                writer.accept(name, find_take(self.plan, run, name, wanted), chosen=True)

    @rule(keep=st.sampled_from([None, 0, 1]))
    def prune(self, keep: int | None) -> None:
        run = Run.open(self._run)
        with lock_run(run) as writer:
            prune.remove(writer, prune.unused(self.plan, run) if keep is None else prune.older_takes(run, keep))

    @rule()
    def move(self) -> None:
        self._moves += 1
        self._run = self._run.rename(self._folder / f"film-{self._moves}.run")

    @rule(place=st.integers(0, 99), harm=st.sampled_from([flip, cut, delete]))
    def damage(self, place: int, harm: Callable[[Path], None]) -> None:
        files = sorted(path for path in self._run.glob("shots/*/*/*.*") if path.stat().st_size > 7)
        if files:
            harm(files[place % len(files)])

    def teardown(self) -> None:
        try:
            if self._shots:
                self.render()
                self._check()
        finally:
            shutil.rmtree(self._folder)

    def _check(self) -> None:
        run = Run.open(self._run)
        state, takes_by_shot = run.state(), run.takes_by_shot()
        assert state is not None
        takes = {take.path: take for shot_takes in takes_by_shot.values() for take in shot_takes.takes}
        accepted = {name: takes[entry.folder] for name, entry in state.shots.items()}
        assert accepted.keys() == set(self._ids())
        assert all(entry.chosen or entry.take == 0 for entry in state.shots.values())
        expected = fresh_film(self.plan, {name: take.record for name, take in accepted.items()})
        assert all(np.array_equal(accepted[name].latents(), latents) for name, latents in expected.items())
        clips = [read_clip(accepted[name].clip) for name in self._ids()]
        assert np.array_equal(read_clip(run.film), np.concatenate(clips))
        kept = {take.folder for take in accepted.values()}  # damaged takes that no shot needs stay as they are
        assert not [damage for damage in find_damage(run) if damage.path.parent in kept]
        assert not [path for path in self._run.rglob("*") if path.name.startswith((".staging", "lock"))]

    def _ids(self) -> list[str]:
        return [item.id for item in self._shots]

    def _change(self, place: int, **fields: Any) -> None:
        place %= len(self._shots)
        self._shots[place] = replace(self._shots[place], **fields)


def fresh_film(plan: Plan, records: Mapping[str, Record]) -> dict[str, np.ndarray]:
    """The latents of each shot, rendered in memory with the take numbers and seeds of these records.

    A renamed shot keeps the seed of its old name, so the seeds are not those of the plan.
    """
    generator, film = NumpyGenerator(), dict[str, np.ndarray]()
    for planned in plan.jobs:
        record = records[planned.shot]
        job = replace(retake(planned, record.take), seed=int(record.spec["seed"] or 0))
        memory = {source: film[source] for source in job.memory.sources}
        film[planned.shot] = generator.generate(ShotRequest(job=job, memory=memory)).latents_CTHW
    return film


def run_sequences(count: int, steps: int = 12, *, derandomize: bool = True) -> None:
    """Run `count` sequences of up to `steps` rules each; raises at the first that ends in another film."""
    run_state_machine_as_test(
        FilmHistory,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    run_sequences(options.sequences, options.steps, derandomize=False)
    sys.stdout.write(f"{options.sequences} sequences of up to {options.steps} steps: each ended in the fresh film.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
