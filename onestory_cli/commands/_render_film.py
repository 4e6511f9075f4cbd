"""From a plan to its film, shown while it is made: the way that render and resume share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from onestory_cli.commands._distributed import shares
from onestory_cli.commands._options import CheckpointSeconds, Device, RetryBad, Sign, flag
from onestory_cli.commands._screen import Screen
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import StopAsked

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
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
    from onestory_cli.rendering.loading import generator_loader
    from onestory_cli.rendering.options import RenderOptions
    from onestory_cli.rendering.render import render

    signer = read_signer(*flags.sign) if flags.sign else None
    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        load = generator_loader(plan, flags.device, show, shared=shares())
        try:
            film = render(
                plan,
                run,
                load,
                show,
                RenderOptions(
                    force=force,
                    takes=takes or {},
                    stop=signals.asked,
                    checkpoint_seconds=flags.checkpoint_seconds,
                    retry_bad=flags.retry_bad,
                    subtitles=flags.subtitles,
                ),
            )
        except KeyboardInterrupt:
            return signals.exit
    signed = write_signed(plan, run, signer) if signer else None
    if json:
        screen.document(command, film=str(film), run=str(run.path), **({"signed": str(signed)} if signed else {}))
    else:
        screen.lines(map(str, filter(None, (film, signed))))
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
