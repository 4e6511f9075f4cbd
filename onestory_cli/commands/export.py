"""`onestory export`: write a film for an editor, a player or a web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import Device, Json, RunArgument, flag, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.export.target import Target
from onestory_cli.store.locate import find_run


def command(
    context: typer.Context,
    to: Annotated[Target, typer.Option("--to", help="Format.", show_default=False)],
    folder: RunArgument = None,
    out: Annotated[
        Path | None, option("--out", metavar="PATH", help="Path [default: film.* in the run directory].")
    ] = None,
    force: Annotated[bool, flag("--force", help="Replace an earlier export.")] = False,
    template: Annotated[
        Path | None,
        option("--template", metavar="FILE", help="For comfyui: the workflow [default: the model of the run]."),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Write a film as a timeline, subtitles, frames, ProRes, GIF, WebP or MP4, or its shots as ComfyUI workflows."""
    if to == Target.COMFYUI:
        return _export_workflows(screen_of(context), folder, out, template, device, force=force, json=json)
    if template:
        raise typer.BadParameter("only --to comfyui needs a workflow", param_hint="--template")
    from onestory_cli.export.cut import read_cut
    from onestory_cli.export.sounds import sound_warnings
    from onestory_cli.export.write import default_path, export

    run, screen = find_run(folder), screen_of(context)
    cut = read_cut(run)
    path = out or default_path(run.path, to)
    screen.findings((*cut.warnings, *sound_warnings(cut, to)))
    export(cut, to, path, force=force)
    if json:
        screen.document("export", run=str(run.path), to=to, path=str(path), shots=len(cut.shots), missing=cut.missing)
    else:
        screen.line(str(path))
    return ExitCode.DONE


def _export_workflows(
    screen: Screen,
    folder: Path | None,
    out: Path | None,
    template: Path | None,
    device: str,
    *,
    force: bool,
    json: bool,
) -> ExitCode:
    """Write a workflow per shot, with the pictures that it remembers of the takes that exist."""
    from onestory_cli.commands._take_import import plan_and_run
    from onestory_cli.events import ignore
    from onestory_cli.export.workflows import export_workflows, workflow_of
    from onestory_cli.rendering.loading import generator_loader

    plan, run = plan_and_run(folder or Path())
    path = out or (run.path if run.path.exists() else run.path.parent) / "comfyui"
    shots = export_workflows(
        plan, run, workflow_of(plan, template), generator_loader(plan, device, ignore), path, force=force
    )
    waiting = [shot.shot for shot in shots if shot.missing]
    if json:
        screen.document(
            "export", run=str(run.path), to=Target.COMFYUI, path=str(path), shots=len(shots), missing=waiting
        )
    else:
        screen.line(str(path))
        screen.note(f"copy {path}/input/onestory into the input folder of ComfyUI, then run the workflows in order")
        if waiting:
            screen.note(
                f"without all of their memory: {', '.join(waiting)}; import the takes before them, then export again"
            )
    return ExitCode.DONE
