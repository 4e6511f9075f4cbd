"""Options of `onestory batch` for films and workers, and its result on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onestory_cli.commands._files import PAGE, require_writable, write_result
from onestory_cli.commands._options import argument, option
from onestory_cli.commands._screen import Screen
from onestory_cli.story.types import MAX_SEED
from onestory_cli.utils.text import pluralize, shorten_middle

if TYPE_CHECKING:
    from onestory_cli.batch.films import BatchFilm
    from onestory_cli.batch.plan_films import BatchPlan
    from onestory_cli.batch.render_story import WorkerConfig
    from onestory_cli.batch.result import BatchResult
    from onestory_cli.batch.run_batch import Backend


REPORT = "report.html"
_COLUMNS = ("film", "state", "rendered", "kept", "path")
_GAP = 3  # largest number of characters between two columns
_MIN_NAME, _MIN_PATH = 12, 18  # characters in a narrow terminal; such a path still ends in film.mp4


@dataclass(frozen=True, kw_only=True)
class FilmFlags:
    """The films: every story with every seed and profile, each with a run directory in `out`."""

    files: Annotated[list[str], argument(metavar="FILE...", help="Stories, folders with stories, or quoted patterns.")]
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the run directories and batch.json.")]
    seeds: Annotated[str, option("--seeds", metavar="N,N", help="Render each story with each seed.")] = ""
    profile: Annotated[str, option("--profile", metavar="NAME,NAME", help="Render each story with each profile.")] = ""
    set: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Set a value in all stories. May be repeated.")
    ] = field(default_factory=list)

    def films(self) -> tuple[BatchFilm, ...]:
        """List the films without reading their stories.

        Raises:
            OnestoryError: B801 for a folder or pattern without stories, B802 for an invalid `--set`.
            typer.BadParameter: invalid seeds.
        """
        from onestory_cli.batch.films import find_stories, list_films
        from onestory_cli.story.overrides import Override

        return list_films(
            find_stories(self.files),
            self.out,
            profiles=_names(self.profile),
            seeds=_seeds(self.seeds),
            settings=tuple(Override.parse(text) for text in self.set),
        )


@dataclass(frozen=True, kw_only=True)
class WorkerFlags:
    """The workers: processes on this machine, a Ray cluster or Slurm jobs."""

    workers: Annotated[
        int | None,
        option("--workers", metavar="N", min=1, help="Films rendered at a time [default: 1; with --ray one per GPU]."),
    ] = None
    threads: Annotated[
        int | None,
        option("--threads", metavar="N", min=1, help="CPU threads per worker [default: an equal part]."),
    ] = None
    ray: Annotated[str | None, option("--ray", metavar="ADDRESS", help='Run on this Ray cluster, or "local".')] = None
    slurm: Annotated[
        str | None,
        option("--slurm", metavar="NAME=VALUE,...", help='Run as Slurm jobs with these parameters, or "auto".'),
    ] = None

    def backend(
        self, out: Path, *, device: str, checkpoint_seconds: float, allow_commands: bool, keep_original: bool
    ) -> Backend:
        """The worker backend for a batch in `out`.

        Raises:
            OnestoryError: M514 or B804 if the cluster cannot be used, B805 for invalid parameters.
            typer.BadParameter: both --ray and --slurm.
        """
        from onestory_cli.batch.render_story import WorkerConfig
        from onestory_cli.batch.run_batch import Backend

        if self.ray and self.slurm:
            raise typer.BadParameter("use --ray or --slurm, not both", param_hint="--slurm")
        number = self.workers or 1
        work = WorkerConfig(
            device=device,
            threads=self.threads,
            share=number,
            checkpoint_seconds=checkpoint_seconds,
            allow_commands=allow_commands,
            keep_original=keep_original,
        )
        if self.ray:
            return _on_ray(self.ray, work, self.workers, out)
        if self.slurm:
            from onestory_cli.batch.slurm_workers import on_slurm, parse_parameters

            parameters = parse_parameters(self.slurm)
            return Backend(where="slurm", workers=number, open_pool=lambda: on_slurm(parameters, work, number, out))
        from onestory_cli.batch.local_workers import LocalPool

        return Backend(where="local", workers=number, open_pool=lambda: LocalPool(work))


def _on_ray(address: str, work: WorkerConfig, workers: int | None, out: Path) -> Backend:
    from onestory_cli.batch.ray_workers import connect, count_workers, on_ray
    from onestory_cli.batch.run_batch import Backend

    connect(address)
    number = workers or count_workers(work)
    return Backend(where="ray", workers=number, open_pool=lambda: on_ray(address, work, number, out))


def sign_films(plans: BatchPlan, result: BatchResult, signer: Any) -> list[Path]:
    """Write signed copies of the finished films and return their paths.

    Raises:
        OnestoryError: M517 if the certificate is refused or a copy cannot be written.
    """
    from onestory_cli.commands._render_film import write_signed
    from onestory_cli.store.run import Run

    done = {row.film.name for row in result.rows if row.file}
    films = (item for item in plans.planned if item.film.name in done)
    return [write_signed(item.plan, Run.open(item.film.run), signer) for item in films]


def show_result(
    screen: Screen, result: BatchResult, signed: Sequence[Path], *, next: Sequence[str], json: bool
) -> None:
    """Print one row per film, or the JSON document."""
    if json:
        copies = {"signed": [str(path) for path in signed]} if signed else {}
        screen.document("batch", **result.document(), **copies, next=list(next))
        return
    rows = [
        (
            row.film.name,
            row.outcome.state,
            str(row.outcome.rendered),
            str(row.outcome.kept),
            str(row.file or row.film.run),
        )
        for row in result.rows
    ]
    screen.table(_COLUMNS, fitted(rows, screen.width), right=("rendered", "kept"))
    if signed:
        screen.note(f"signed {pluralize(len(signed), 'film')}: {signed[0].name} next to each film")


def write_report(result: BatchResult, out: Path) -> Path:
    """Write the page of all films in `out`, also those of earlier batches, and return its path.

    Raises:
        OnestoryError: U605 if a file with its name is something else, U608 if it cannot be written.
    """
    from onestory_cli.report.batch_page import BatchEntry, batch_page
    from onestory_cli.store.layout import STATE

    file = out / REPORT
    require_writable(file, PAGE, force=True)
    entries = [
        BatchEntry(name=row.film.name, run=row.film.run, state=row.outcome.state, finding=row.outcome.message)
        for row in result.rows
    ]
    known = {entry.name for entry in entries}
    earlier = sorted(path.parent for path in out.glob(f"*/{STATE}") if path.parent.name not in known)
    entries += [BatchEntry(name=run.name, run=run, state=_state_of(run)) for run in earlier]
    write_result(file, batch_page(entries, out).encode())
    return file


def _state_of(run: Path) -> str:
    from onestory_cli.store.layout import FILM

    return "done" if (run / FILM).is_file() else "left"


def fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """Shorten paths, and then names, so that a row fits into `width` characters."""
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    room = width - sum(widths[1:-1]) - _GAP * (len(widths) - 1)
    name = min(widths[0], max(_MIN_NAME, room - _MIN_PATH))
    path = max(_MIN_PATH, room - name)
    return [(shorten_middle(row[0], name), *row[1:-1], shorten_middle(row[-1], path)) for row in rows]


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(dict.fromkeys(map(int, _names(text))))
    except ValueError as fault:
        raise typer.BadParameter(f'"{text}" is not a list of whole numbers', param_hint="--seeds") from fault
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise typer.BadParameter(f"{seed} is not in the range 0<=x<={MAX_SEED}.", param_hint="--seeds")
    return seeds
