"""`onestory evaluate`: how well a model remembers, measured on films of held-out stories."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import Device, Json, flag
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import POLICIES, ModelSpec, find

if TYPE_CHECKING:
    from onestory_cli.evaluation.result import Result
    from onestory_cli.storyworld.world import WorldConfig


def command(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A name of `onestory models`, or a folder.")
    ] = "storyworld",
    stories: Annotated[int, typer.Option("--stories", metavar="N", min=2, help="Held-out stories of six shots.")] = 100,
    policies: Annotated[
        str, typer.Option("--policies", metavar="NAMES", help="What to compare; differences are to the first.")
    ] = "adaptive,last,none",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the result as JSON.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the noise.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="K", min=1, help="Denoising steps; else the model's.", show_default=False),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option("--frames", metavar="K", min=0, help="Remembered frames; else the model's.", show_default=False),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="B", help="Memory budget; else the model's.", show_default=False)
    ] = None,
    markdown: Annotated[bool, flag("--markdown", help="Write the table as Markdown.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Measure a storyworld model: make films of held-out stories and read what they show."""
    chosen, spec = _policies(policies), find(model)
    world = _world(spec)
    screen = screen_of(context)
    with screen.watch() as show:
        from onestory_cli.evaluation.run import measure

        result = measure(
            spec,
            world,
            stories=stories,
            policies=chosen,
            seed=seed,
            steps=steps or spec.steps,
            frames=spec.memory_frames if frames is None else frames,
            budget=spec.budget if budget is None else budget,
            device=device,
            emit=show,
        )
    if out:
        out.write_text(json_.dumps(result.document(), indent=2) + "\n", encoding="utf-8")
    if json:
        screen.line(json_.dumps(result.document()))
    elif markdown:
        screen.line(result.markdown().rstrip())
    else:
        _show(result, screen)
    return ExitCode.DONE


def _policies(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in POLICIES:
            raise typer.BadParameter(f'no policy "{name}"; there are {", ".join(POLICIES)}')
    return names


def _world(spec: ModelSpec) -> WorldConfig:
    from onestory_cli.evaluation.truth import world_of

    try:
        return world_of(spec)
    except ValueError as fault:
        raise typer.BadParameter(f'the model "{spec.name}" does not know the storyworld: {fault}') from fault


def _show(result: Result, screen: Screen) -> None:
    screen.table(result.columns, result.table(), right=result.columns[1:])
    if result.selector_line():
        screen.line(result.selector_line())
    screen.note(f"{result.stories} stories, 95 % intervals over stories, {result.seconds:.0f} s")
