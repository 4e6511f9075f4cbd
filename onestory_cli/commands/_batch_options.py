"""What `onestory batch` is asked for: which films, by whom, and how the result is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onestory_cli.commands._options import argument, option
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import Diagnostic, Findings, OnestoryError
from onestory_cli.models.readiness import require_ready
from onestory_cli.planning.compile import compile_story
from onestory_cli.story.types import MAX_SEED
from onestory_cli.utils.text import shorten_middle

if TYPE_CHECKING:
    from onestory_cli.batch.films import BatchFilm
    from onestory_cli.batch.render_story import WorkerConfig
    from onestory_cli.batch.result import BatchResult
    from onestory_cli.batch.run_batch import Backend, PlannedFilm
    from onestory_cli.planning.jobs import Plan


_COLUMNS = ("film", "state", "rendered", "kept", "path")
_GAP = 3  # characters between two columns, at most
_LEAST_NAME, _LEAST_PATH = 12, 18  # characters in the narrowest terminal; such a path still ends in film.mp4


@dataclass(frozen=True, kw_only=True)
class FilmFlags:
    """Which films: stories, times seeds, times profiles; each with a folder in `out`."""

    files: Annotated[list[str], argument(metavar="FILE...", help="Stories, folders of them, or patterns in quotes.")]
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the run directories and batch.json go.")]
    seeds: Annotated[str, option("--seeds", metavar="N,N", help="A film of each story for each seed.")] = ""
    profile: Annotated[str, option("--profile", metavar="NAME,NAME", help="And for each profile.")] = ""
    set: Annotated[
        list[str], typer.Option("--set", metavar="PATH=VALUE", help="Put a value into all stories; may be repeated.")
    ] = field(default_factory=list)

    def films(self) -> tuple[BatchFilm, ...]:
        """The films, none of which is read yet.

        Raises:
            OnestoryError: B801 for a folder or a pattern without stories, B802 for a `--set` that is none.
            typer.BadParameter: seeds that are none.
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
    """Who does the work: processes of this machine, unless a cluster was named."""

    workers: Annotated[
        int | None,
        option("--workers", metavar="N", min=1, help="Films made at a time; else 1, or with --ray one per GPU."),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="CPU threads of a worker; else a fair part of them."),
    ] = None
    ray: Annotated[str | None, option("--ray", metavar="ADDRESS", help="Work on this Ray cluster; or local.")] = None
    slurm: Annotated[str | None, option("--slurm", metavar="NAME=VALUE,", help="Work on Slurm, so; or auto.")] = None

    def backend(self, out: Path, *, device: str, checkpoint_seconds: float) -> Backend:
        """The crew to be hired, for a batch in `out`.

        Raises:
            OnestoryError: M514 or B804 where the cluster cannot be had, B805 for parameters that are none.
            typer.BadParameter: two clusters.
        """
        from onestory_cli.batch.render_story import WorkerConfig
        from onestory_cli.batch.run_batch import Backend

        if self.ray and self.slurm:
            raise typer.BadParameter("give --ray or --slurm, not both", param_hint="--slurm")
        number = self.workers or 1
        work = WorkerConfig(device=device, threads=self.threads, share=number, checkpoint_seconds=checkpoint_seconds)
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


@dataclass(frozen=True, kw_only=True)
class Plans:
    """What came of planning films: `faults` by the names of those that have no plan, `findings` each once."""

    planned: tuple[PlannedFilm, ...]
    faults: dict[str, OnestoryError]
    findings: tuple[Diagnostic, ...]

    def require_all(self) -> None:
        """Refuse a batch of which a film cannot be made.

        Raises:
            Findings: all that is wrong with any of the stories.
            OnestoryError: M5xx where a model cannot be used here, whatever film asks for it.
        """
        if self.faults:
            refusal = Findings(self.findings)
            refusal.exit = min(fault.exit for fault in self.faults.values())  # 1 when a story is wrong
            raise refusal
        for spec in {item.plan.model.name: item.plan.model for item in self.planned}.values():
            require_ready(spec)

    def fit(self, fit: Callable[[list[Plan]], list[Plan]]) -> Plans:
        """The same films, their plans fitted to this machine."""
        plans = fit([item.plan for item in self.planned])
        return replace(
            self, planned=tuple(replace(item, plan=plan) for item, plan in zip(self.planned, plans, strict=True))
        )


def plan_all(films: Sequence[BatchFilm], *, allow_outside: bool) -> Plans:
    """The plans of all films, as far as they have one."""
    from onestory_cli.batch.run_batch import PlannedFilm

    planned: list[PlannedFilm] = []
    found: dict[Diagnostic, None] = {}
    faults: dict[str, OnestoryError] = {}
    for film in films:
        try:
            plan, warnings = _compile(film, allow_outside)
        except OnestoryError as fault:
            faults[film.name] = fault
            found |= dict.fromkeys(fault.diagnostics)
        else:
            planned.append(PlannedFilm(film=film, plan=plan))
            found |= dict.fromkeys(warnings)
    return Plans(planned=tuple(planned), faults=faults, findings=tuple(found))


def _compile(film: BatchFilm, allow_outside: bool) -> tuple[Plan, tuple[Diagnostic, ...]]:
    plan, warnings = compile_story(film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside)
    if not film.settings:
        return plan, warnings
    try:
        return compile_story(
            film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside, settings=film.settings
        )
    except Findings as fault:  # the story itself is right, as it stands
        given = " ".join(f"--set {setting}" for setting in film.settings)
        marked = (replace(item, message=f"{item.message} (with {given})") for item in fault.diagnostics)
        raise Findings(tuple(marked)) from fault


def sign_films(plans: Plans, result: BatchResult, signer: Any) -> list[Path]:
    """Write the signed copies of the films that are done.

    Raises:
        OnestoryError: M517 when the certificate is refused or a copy cannot be written.
    """
    from onestory_cli.commands._render_film import write_signed
    from onestory_cli.store.run import Run

    done = {row.film.name for row in result.rows if row.file}
    films = (item for item in plans.planned if item.film.name in done)
    return [write_signed(item.plan, Run.open(item.film.run), signer) for item in films]


def show_result(screen: Screen, result: BatchResult, signed: Sequence[Path], *, json: bool) -> None:
    """One row per film."""
    if json:
        copies = {"signed": [str(path) for path in signed]} if signed else {}
        screen.document("batch", **result.document(), **copies)
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
        screen.note(f"signed: {len(signed)}, each as {signed[0].name} beside its film")


def fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """The rows with paths cut in their middle, then names, where a line of `width` characters would not hold them."""
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    room = width - sum(widths[1:-1]) - _GAP * (len(widths) - 1)
    name = min(widths[0], max(_LEAST_NAME, room - _LEAST_PATH))
    path = max(_LEAST_PATH, room - name)
    return [(shorten_middle(row[0], name), *row[1:-1], shorten_middle(row[-1], path)) for row in rows]


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(dict.fromkeys(map(int, _names(text))))
    except ValueError as fault:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers", param_hint="--seeds") from fault
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise typer.BadParameter(f"{seed} is not in the range 0<=x<={MAX_SEED}.", param_hint="--seeds")
    return seeds
