"""From a plan to its film, shown while it is made: the way that render and resume share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from onestory_cli.commands.screen import Screen
from onestory_cli.commands.stopping import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import Emit, ModelLoaded, ModelLoading, StopAsked

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.models.load import LoadedModel
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
    json: bool,
) -> ExitCode:
    """Render what is missing; the path of the film is the result. A signal stops it after the step that it is at."""
    from onestory_cli.render import render

    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        load = model_loader(plan.model, device, show)
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
            )
        except KeyboardInterrupt:
            return signals.exit
    if json:
        screen.document(command, film=str(film), run=str(run.path))
    else:
        screen.line(str(film))
    return ExitCode.DONE


def model_loader(spec: ModelSpec, device: str, emit: Emit) -> Callable[[], Maker]:
    """What loads the reader of a model, once a shot must really be looked at, and the rest once one must be made."""

    def load() -> Maker:
        with loading(spec, device, emit):
            from onestory_cli.models.load import load_model, load_reader
            from onestory_cli.render.shot_maker import ShotMaker

            reader = load_reader(spec, device)

        def load_rest() -> LoadedModel:
            with loading(spec, device, emit):
                return load_model(spec, reader=reader)

        return ShotMaker(reader, load_rest)

    return load


@contextmanager
def loading(spec: ModelSpec, device: str, emit: Emit) -> Iterator[None]:
    """Say that weights are being loaded, and how long it took."""
    emit(ModelLoading(model=spec.name, device=device))
    began = time.monotonic()
    yield
    emit(ModelLoaded(model=spec.name, seconds=time.monotonic() - began))
