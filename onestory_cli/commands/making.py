"""From a plan to its film, shown while it is made: the way that render and resume share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from onestory_cli.commands.options import CheckpointSeconds, Device, RetryBad, Sign, flag
from onestory_cli.commands.screen import Screen
from onestory_cli.commands.stopping import StopSignals
from onestory_cli.commands.together import shares
from onestory_cli.commands.weights import require_ready
from onestory_cli.errors import ExitCode
from onestory_cli.events import Emit, StopAsked

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.plan import Plan
    from onestory_cli.render import Maker
    from onestory_cli.store.run import Run


@dataclass(frozen=True, kw_only=True)
class MakingFlags:
    """How a film is made, besides how its model is fitted to the machine."""

    device: Device = "auto"
    checkpoint_seconds: CheckpointSeconds = 30.0
    retry_bad: RetryBad = 0
    subtitles: Annotated[
        bool, flag("--subtitles", help="Also put what shots say under `subtitle:` into the film, as a track.")
    ] = False
    sign: Sign = None


def make_film(
    screen: Screen,
    command: str,
    plan: Plan,
    run: Run,
    flags: MakingFlags,
    *,
    force: Collection[str] = (),
    takes: Mapping[str, int] | None = None,
    json: bool,
) -> ExitCode:
    """Render what is missing; the path of the film is the result, and that of its signed copy, if one is wanted.

    A signal stops it after the step that it is at.
    """
    from onestory_cli.render import render

    signer = read_signer(*flags.sign) if flags.sign else None
    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        load = maker_loader(plan, flags.device, show, shared=shares())
        try:
            film = render(
                plan,
                run,
                load,
                show,
                force=force,
                takes=takes,
                stop=signals.asked,
                checkpoint_seconds=flags.checkpoint_seconds,
                retry_bad=flags.retry_bad,
                subtitles=flags.subtitles,
            )
        except KeyboardInterrupt:
            return signals.exit
    signed = write_signed(plan, run, signer) if signer else None
    if json:
        screen.document(command, film=str(film), run=str(run.path), **({"signed": str(signed)} if signed else {}))
    else:
        screen.line(f"{film}\n{signed}" if signed else str(film))
    return ExitCode.DONE


def read_signer(certificate: Path, key: Path) -> Any:
    """What signs films, refused before any work where it cannot."""
    from onestory_cli.media import sign

    return sign.read_signer(certificate, key)


def write_signed(plan: Plan, run: Run, signer: Any) -> Path:
    """The signed copy of a film, with the pictures that the run keeps as what it was made from."""
    from onestory_cli.media.sign import sign_film
    from onestory_cli.store.layout import SIGNED

    signed = run.film.with_name(SIGNED)
    pictures = sorted({run.input(image) for image in plan.images})
    sign_film(run.film, signed, signer, title=plan.story.title, pictures=pictures)
    return signed


def maker_loader(plan: Plan, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], Maker]:
    """What loads the models of a plan: one, or two where the first shot is another's."""
    if not any(job.other for job in plan.jobs):
        return model_loader(plan.model, device, emit, shared=shared)

    def load() -> Maker:
        from onestory_cli.render.by_model import MakerByModel

        others = [job.other.spec for job in plan.jobs if job.other]
        for spec in (plan.model, *others[:1]):  # both, before the first one has worked
            require_ready(spec)
        return MakerByModel(plan.model, lambda spec: model_loader(spec, device, emit, shared=shared)())

    return load


def model_loader(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], Maker]:
    """What loads the reader of a model once a shot must really be looked at, and the rest once one must be made."""

    def load() -> Maker:
        from onestory_cli.render.loading import load_maker

        require_ready(spec)
        return load_maker(spec, device, emit, shared=shared)

    return load
