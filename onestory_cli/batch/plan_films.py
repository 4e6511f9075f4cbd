"""Plan the films of a batch before any of them is rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.run_batch import PlannedFilm, RefusedFilm
from onestory_cli.errors import Diagnostic, Findings, OnestoryError
from onestory_cli.models.availability import require_ready
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The planned films, and the films without a plan. `findings` has each error and warning once."""

    planned: tuple[PlannedFilm, ...]
    refused: tuple[RefusedFilm, ...]
    findings: tuple[Diagnostic, ...]

    def require_valid(self) -> None:
        """Refuse the batch if any film has no plan.

        Raises:
            Findings: everything that is wrong with any of the stories.
        """
        if self.refused:
            refusal = Findings(self.findings)
            refusal.exit = min(item.fault.exit for item in self.refused)  # 1 if a story is wrong
            raise refusal

    def require_models(self) -> None:
        """Refuse the batch if a model cannot be used on this machine.

        Raises:
            OnestoryError: M5xx.
        """
        for spec in {item.plan.model.name: item.plan.model for item in self.planned}.values():
            require_ready(spec)

    def fit(self, fit: Callable[[list[Plan]], list[Plan]]) -> BatchPlan:
        """Return the batch with the plans that `fit` returns for its plans."""
        plans = fit([item.plan for item in self.planned])
        return replace(
            self, planned=tuple(replace(item, plan=plan) for item, plan in zip(self.planned, plans, strict=True))
        )


def plan_films(films: Sequence[BatchFilm], *, allow_outside: bool) -> BatchPlan:
    """Plan all films. Films with errors are in `refused`."""
    planned: list[PlannedFilm] = []
    refused: list[RefusedFilm] = []
    found: dict[Diagnostic, None] = {}
    for film in films:
        try:
            plan, warnings = _compile(film, allow_outside)
        except OnestoryError as fault:
            refused.append(RefusedFilm(film=film, fault=fault))
            found |= dict.fromkeys(fault.diagnostics)
        else:
            planned.append(PlannedFilm(film=film, plan=plan))
            found |= dict.fromkeys(warnings)
    return BatchPlan(planned=tuple(planned), refused=tuple(refused), findings=tuple(found))


def _compile(film: BatchFilm, allow_outside: bool) -> tuple[Plan, tuple[Diagnostic, ...]]:
    plan, warnings = compile_story(film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside)
    if not film.settings:
        return plan, warnings
    try:
        return compile_story(
            film.story, profile=film.profile, seed=film.seed, allow_outside=allow_outside, settings=film.settings
        )
    except Findings as fault:  # the story without the settings is valid
        given = " ".join(f"--set {setting}" for setting in film.settings)
        marked = (replace(item, message=f"{item.message} (with {given})") for item in fault.diagnostics)
        raise Findings(tuple(marked)) from fault
