"""Render the film of a plan with progress on the screen, for render and resume."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from onestory_cli.commands._ci_results import bad_takes
from onestory_cli.commands._execution_options import is_distributed
from onestory_cli.commands._options import (
    AllowCommands,
    CheckpointSeconds,
    Device,
    KeepOriginal,
    MaxSeconds,
    RetryBad,
    ShowPictures,
    Sign,
    flag,
)
from onestory_cli.commands._screen import Pictures, Screen
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import Emit, StopAsked
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.rendering.render import RenderOptions
    from onestory_cli.store.run import Run


@dataclass(frozen=True, kw_only=True)
class RenderFlags:
    """Options of a render, except those that fit the model to the machine."""

    device: Device = "auto"
    checkpoint_seconds: CheckpointSeconds = 30.0
    retry_bad: RetryBad = 0
    subtitles: Annotated[
        bool, flag("--subtitles", help="Add a subtitle track with the text under `subtitle:` of each shot.")
    ] = False
    keep_original: KeepOriginal = False
    max_seconds: MaxSeconds = None
    sign: Sign = None
    allow_commands: AllowCommands = False
    pictures: ShowPictures = Pictures.AUTO


@dataclass(frozen=True, kw_only=True)
class RenderWishes:
    """What to render besides what is missing: shots again, shots with a new seed, and more takes of shots."""

    force: Collection[str] = ()
    new_seed: Collection[str] = ()
    takes: Mapping[str, int] = field(default_factory=dict)


def make_film(
    screen: Screen,
    command: str,
    plan: Plan,
    run: Run,
    flags: RenderFlags,
    *,
    wishes: RenderWishes = RenderWishes(),
    fail_on: str | None = None,
    json: bool,
) -> ExitCode:
    """Render what is missing and print the path of the film, and of its signed copy.

    The first signal stops the render after the current step.
    """
    from onestory_cli.rendering.loading import allow_commands, generator_loader
    from onestory_cli.rendering.render import RenderOptions, render

    plan = allow_commands(plan) if flags.allow_commands else plan
    if flags.keep_original and not plan.model.external:
        screen.note(f"--keep-original has no effect: {plan.model.name} is not a workflow or a command", style="yellow")
    signer = read_signer(*flags.sign) if flags.sign else None
    deadline = time.monotonic() + flags.max_seconds if flags.max_seconds else math.inf
    pictures = flags.pictures is Pictures.AUTO
    with screen.watch(json=json, pictures=pictures) as show, StopSignals(lambda: show(StopAsked())) as signals:
        load = generator_loader(plan, flags.device, show, shared=is_distributed())
        options = RenderOptions(
            stop=lambda: signals.asked() or time.monotonic() > deadline,
            checkpoint_seconds=flags.checkpoint_seconds,
            retry_bad=flags.retry_bad,
            keep_original=flags.keep_original,
            preview=show.preview,
        )
        try:
            for shot in wishes.new_seed:
                _accept_new_take(plan, run, shot, load, show, options)
            film = render(
                plan,
                run,
                load,
                show,
                replace(options, force=wishes.force, takes=wishes.takes, subtitles=flags.subtitles),
            )
        except KeyboardInterrupt:
            if signals.asked():
                return signals.exit
            screen.note(f"stopped after {flags.max_seconds:g} s (--max-seconds); the same command continues")
            return ExitCode.PARTIAL
    signed = write_signed(plan, run, signer) if signer else None
    next_command = f"onestory review {shell_quote(run.path)}"
    if json:
        paths = {"film": str(film), "run": str(run.path), **({"signed": str(signed)} if signed else {})}
        screen.document(command, **paths, next=[next_command])
    else:
        screen.lines(map(str, filter(None, (film, signed))))
        screen.note(f"next: {next_command}", style="dim")
    return ExitCode.FINDINGS if bad_takes(plan, run, fail_on) else ExitCode.DONE


def _accept_new_take(plan: Plan, run: Run, shot: str, load: Any, show: Emit, options: RenderOptions) -> None:
    """Render a take of a shot with a new seed and accept it. Later shots that remember the old one become stale."""
    from onestory_cli.rendering.takes import make_takes
    from onestory_cli.store.writer import lock_run

    (take, *_) = make_takes(plan, run, load, show, shot=shot, options=replace(options, retry_bad=0))
    with lock_run(run) as writer:
        writer.accept(shot, take, chosen=True)


def read_signer(certificate: Path, key: Path) -> Any:
    """Load what signs films. Called before rendering, so that a wrong certificate is refused first."""
    from onestory_cli.media import sign

    return sign.read_signer(certificate, key)


def write_signed(plan: Plan, run: Run, signer: Any) -> Path:
    """Write the signed copy of a film; the story's pictures and the imported clips are its ingredients.

    Returns its path.
    """
    from onestory_cli.media.sign import sign_film
    from onestory_cli.store.layout import SIGNED
    from onestory_cli.store.take_query import accepted_takes

    signed = run.film.with_name(SIGNED)
    pictures = sorted({run.input(image) for image in plan.images})
    state = run.state()
    assert state is not None, "the film was rendered"
    takes = accepted_takes(run.path, state, [job.shot for job in plan.jobs]).takes.values()
    clips = [(take.record.imported.name, take.clip) for take in takes if take.record.imported]
    sign_film(run.film, signed, signer, title=plan.story.title, pictures=pictures, clips=clips)
    return signed
