"""From a plan to its film, shown while it is made: the way that render and resume share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from onestory_cli.commands.screen import Screen
from onestory_cli.commands.stopping import StopSignals
from onestory_cli.commands.weights import require_ready
from onestory_cli.errors import ExitCode
from onestory_cli.events import Emit, StopAsked
from onestory_cli.render.loading import load_maker

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.plan import Plan
    from onestory_cli.render import Maker
    from onestory_cli.store.run import Run


def make_film(
    screen: Screen,
    command: str,
    plan: Plan,
    run: Run,
    *,
    device: str,
    force: Collection[str] = (),
    takes: Mapping[str, int] | None = None,
    checkpoint_seconds: float = 30.0,
    retry_bad: int = 0,
    json: bool,
) -> ExitCode:
    """Render what is missing; the path of the film is the result. A signal stops it after the step that it is at."""
    from onestory_cli.render import render

    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        load = maker_loader(plan, device, show)
        try:
            film = render(
                plan,
                run,
                load,
                show,
                force=force,
                takes=takes,
                stop=signals.asked,
                checkpoint_seconds=checkpoint_seconds,
                retry_bad=retry_bad,
            )
        except KeyboardInterrupt:
            return signals.exit
    if json:
        screen.document(command, film=str(film), run=str(run.path))
    else:
        screen.line(str(film))
    return ExitCode.DONE


def maker_loader(plan: Plan, device: str, emit: Emit) -> Callable[[], Maker]:
    """What loads the models of a plan: one, or two where the first shot is another's."""
    if not any(job.other for job in plan.jobs):
        return model_loader(plan.model, device, emit)

    def load() -> Maker:
        from onestory_cli.render.by_model import MakerByModel

        others = [job.other.spec for job in plan.jobs if job.other]
        for spec in (plan.model, *others[:1]):  # both, before the first one has worked
            require_ready(spec)
        return MakerByModel(plan.model, lambda spec: model_loader(spec, device, emit)())

    return load


def model_loader(spec: ModelSpec, device: str, emit: Emit) -> Callable[[], Maker]:
    """What loads the reader of a model once a shot must really be looked at, and the rest once one must be made."""

    def load() -> Maker:
        require_ready(spec)
        return load_maker(spec, device, emit)

    return load
