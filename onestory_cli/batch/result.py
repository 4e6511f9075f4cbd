"""Results of a batch: one row per film, and batch.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onestory_cli.batch.films import BatchFilm
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk
from onestory_cli.store.layout import FILM

State = Literal["done", "failed", "waits", "stopped", "left"]
SCHEMA = "onestory.batch.v1"
FILE = "batch.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a film ended.

    done; failed, with a finding; waits for a take to be accepted; stopped, resumable; left, not started. `attempts`
    counts the workers that tried.
    """

    state: State = "left"
    rendered: int = 0
    kept: int = 0
    seconds: float = 0.0
    attempts: int = 0
    code: str = ""
    message: str = ""
    help: str = ""

    @property
    def fault(self) -> OnestoryError | None:
        """The error that ended the film, if one did."""
        return OnestoryError(self.code, self.message, help=self.help) if self.code else None

    @classmethod
    def of(cls, fault: OnestoryError, **counts: Any) -> Outcome:
        """The outcome of an error: "waits" if a take must be accepted (R410), else "failed"."""
        state: State = "waits" if fault.code == "R410" else "failed"
        return cls(state=state, code=fault.code, message=fault.message, help=fault.help, **counts)


@dataclass(frozen=True, kw_only=True)
class FilmResult:
    """A film and its outcome."""

    film: BatchFilm
    outcome: Outcome

    @property
    def file(self) -> Path | None:
        """Path of the finished film; None if it is not done."""
        return self.film.run / FILM if self.outcome.state == "done" else None


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """State of a batch: rows in film order. `where` is local, ray or slurm."""

    rows: tuple[FilmResult, ...]
    where: str
    workers: int
    seconds: float

    @property
    def states(self) -> dict[str, int]:
        """Number of films per state."""
        return dict(Counter(row.outcome.state for row in self.rows))

    @property
    def exit(self) -> ExitCode:
        """DONE if every film is done, else PARTIAL: the same command resumes."""
        return ExitCode.DONE if set(self.states) <= {"done"} else ExitCode.PARTIAL

    def document(self) -> dict[str, Any]:
        """The fields of `schemas/batch.v1.schema.json` except "schema"."""
        return {
            "ok": self.exit is ExitCode.DONE,
            "where": self.where,
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
            "states": self.states,
            "films": [_row_fields(row) for row in self.rows],
        }

    def write(self, folder: Path, disk: Disk) -> None:
        """Write batch.json into `folder`."""
        document = {"schema": SCHEMA, **self.document()}
        disk.replace(folder / FILE, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")


def _row_fields(row: FilmResult) -> dict[str, Any]:
    film, outcome = row.film, row.outcome
    finding = {"code": outcome.code, "message": outcome.message, "help": outcome.help}
    return {
        "name": film.name,
        "story": str(film.story),
        "profile": film.profile,
        "seed": film.seed,
        "settings": [str(setting) for setting in film.settings],
        "run": str(film.run),
        "film": str(row.file) if row.file else None,
        "state": outcome.state,
        "rendered": outcome.rendered,
        "kept": outcome.kept,
        "seconds": round(outcome.seconds, 3),
        "attempts": outcome.attempts,
        "finding": finding if outcome.code else None,
    }


def rows_of(films: Sequence[BatchFilm], outcomes: dict[str, Outcome]) -> tuple[FilmResult, ...]:
    """A row for every film; films without an outcome are "left"."""
    return tuple(FilmResult(film=film, outcome=outcomes.get(film.name, Outcome())) for film in films)
