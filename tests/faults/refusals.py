"""The system refuses an operation of the store, once or from then on; the run then resumes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.faults.films import Film
from tests.faults.kills import NamingDisk, Whole, differences, outcome_of

# Error number, its code, and whether it occurs once or from then on.
FAULTS = {
    "no space left, from then on": (errno.ENOSPC, "R405", False),
    "no space left, once": (errno.ENOSPC, "R405", True),
    "read-only, from then on": (errno.EROFS, "R407", False),
    "input/output error, once": (errno.EIO, "R408", True),
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An operation that was refused, and the result: "" if the error had its code and the run resumed."""

    kind: str
    operation: str
    end: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.kind}"


class RefusingDisk(NamingDisk):
    """Refuses the operation of a name and, unless `once`, all later ones except removals."""

    def __init__(self, run: Path, at: str, number: int, *, once: bool) -> None:
        super().__init__(run)
        self._at, self._number, self._once, self._began = at, number, once, False

    def named(self, name: str, path: Path) -> None:
        begins = name == self._at
        self._began = self._began or begins
        if begins or (self._began and not self._once and not name.startswith("remove ")):
            raise OSError(self._number, os.strerror(self._number), str(path))


def refuse_every_operation(film: Film, whole: Whole, folder: Path) -> Iterator[Refusal]:
    """Every operation of the store, one at a time and in every way."""
    for kind in FAULTS:
        for name in whole.operations:
            yield Refusal(kind=kind, operation=name, end=_refuse(film, whole, folder, kind, name))
            shutil.rmtree(folder, ignore_errors=True)


def _refuse(film: Film, whole: Whole, folder: Path, kind: str, name: str) -> str:
    number, code, once = FAULTS[kind]
    try:
        run = Run.create(folder, RefusingDisk(folder, name, number, once=once))
        render(film.plan, run, film.load, options=RenderOptions(checkpoint_seconds=0))
    except OnestoryError as fault:
        if fault.code != code:
            return f"reported as {fault.code}"
    else:
        return "not reported"
    if damages := find_damage(Run(folder)):
        return f"damaged: {', '.join(map(str, damages))}"
    render(film.plan, Run.create(folder), film.load, options=RenderOptions(checkpoint_seconds=0))
    outcome = outcome_of(folder)
    return "" if outcome == whole.outcome else f"differs: {differences(whole.outcome, outcome)}"
