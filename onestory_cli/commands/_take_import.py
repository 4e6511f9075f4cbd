"""`onestory take import`: a clip of another tool or a camera becomes a take of a shot."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import run_shots
from onestory_cli.commands._options import Device, Json, argument, flag, gather, not_nan, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import STORY_SUFFIXES, find_run, folder_for
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.run import Run


class FitMode(StrEnum):
    """What to do with a clip of another aspect ratio."""

    CONTAIN = "contain"
    COVER = "cover"


@gather
def import_take(
    context: typer.Context,
    *,
    folder: Annotated[Path, argument(metavar="DIR", help="Run directory, or its story.")],
    shot: Annotated[str, argument(metavar="SHOT", help="Id of the shot.", autocompletion=run_shots)],
    clip: Annotated[Path, argument(metavar="CLIP", help="Video file.")],
    accept: Annotated[bool, flag("--accept", help="Accept the take: later shots remember it.")] = False,
    start: Annotated[
        float,
        option("--start", metavar="TIME", min=0, help="Time in the clip where the shot begins.", callback=not_nan),
    ] = 0.0,
    trim: Annotated[bool, flag("--trim", help="Leave out what follows the length of the shot.")] = False,
    fit: Annotated[
        FitMode | None,
        option("--fit", metavar="contain|cover", help="For another aspect ratio: add black bars, or crop evenly."),
    ] = None,
    keep_original: Annotated[bool, flag("--keep-original", help="Also keep the file in the take as it is.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Import a clip from another tool or a camera as a take of a shot."""
    from onestory_cli.media.conform import ConformRules
    from onestory_cli.rendering.import_clip import import_clip
    from onestory_cli.rendering.loading import generator_loader

    screen = screen_of(context)
    plan, run = plan_and_run(folder)
    rules = ConformRules(start=start, trim=trim, fit=fit.value if fit else None)
    with screen.watch(json=json) as show:
        load = generator_loader(plan, device, show)
        take = import_clip(plan, run, load, shot=shot, clip=clip, rules=rules, accept=accept, keep=keep_original)
    path, number = shell_quote(run.path), take.record.take
    next = [f"onestory resume {path}" if accept else f"onestory take accept {path} {shot} {number}"]
    origin = take.record.imported
    assert origin is not None
    if json:
        screen.document(
            "take-import",
            run=str(run.path),
            shot=shot,
            take=number,
            id=take.id,
            clip=str(take.clip),
            source=origin.name,
            changes=list(origin.changes),
            accepted=accept,
            next=next,
        )
    else:
        screen.line(str(take.clip))
        screen.note(f"{shot}: take {number}, from {origin}")
        screen.note(f"next: {next[0]}", style="dim")
    return ExitCode.DONE


def plan_and_run(folder: Path) -> tuple[Plan, Run]:
    """The plan and the run directory, which may not exist yet if `folder` is a story."""
    from onestory_cli.planning.compile import compile_story
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.run import Run

    if folder.suffix in STORY_SUFFIXES and folder.is_file() and not folder_for(folder).exists():
        return compile_story(folder)[0], Run(folder_for(folder))
    run = find_run(folder)
    return load_run_plan(run), run
