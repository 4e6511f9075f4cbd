"""`onestory evaluate`: how well a model remembers, measured on films of held-out stories; or one film that is there."""

from __future__ import annotations

import json as json_
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onestory_cli.commands.evaluating import (
    Aligner,
    Detector,
    Embedder,
    ExportVbench,
    FilmStory,
    evaluate_film,
    is_film,
    refuse_other_options,
)
from onestory_cli.commands.options import Device, Json, flag
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import ModelSpec, find

if TYPE_CHECKING:
    from onestory_cli.evaluation.result import Row
    from onestory_cli.evaluation.suites import Suite
    from onestory_cli.evaluation.variants import Variant
    from onestory_cli.storyworld.world import WorldConfig

POLICIES = "adaptive,recent,none"
SWITCH = {"on": True, "off": False}


class SuiteName(StrEnum):
    """The keys of `evaluation.suites.SUITES`, which is heavy."""

    STORIES = "stories"
    PATTERNS = "patterns"
    LADDER = "ladder"
    LENGTH = "length"


def _list(*names: str, metavar: str, help: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, show_default=False)


def command(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A name of `onestory models`, a model folder, or a film.")
    ] = "storyworld",
    suite: Annotated[
        SuiteName,
        typer.Option(
            "--suite",
            help="What is made: mixed stories of six shots, the paper's three patterns, a ladder of gaps from 1 to 9 "
            "shots, or films of 100 shots.",
        ),
    ] = SuiteName.STORIES,
    stories: Annotated[int, typer.Option("--stories", metavar="N", min=2, help="Held-out stories.")] = 100,
    policies: Annotated[
        str | None,
        _list(
            "--policies",
            metavar="NAMES",
            help=f"What to compare; differences are to the first. [default: {POLICIES}, or adaptive for --budgets]",
        ),
    ] = None,
    budgets: Annotated[
        str | None,
        _list("--budgets", "--budget", metavar="B,...", help="Memory budgets to compare; else the model's."),
    ] = None,
    selector: Annotated[
        str | None,
        _list(
            "--selector",
            metavar="on,off",
            help="With and without Frame Selection: the most relevant frames, or the latest.",
        ),
    ] = None,
    conditioner: Annotated[
        str | None,
        _list(
            "--conditioner",
            metavar="on,off",
            help="With and without Adaptive Conditioner: levels by relevance, or fewer frames of the finest.",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option("--frames", metavar="K", min=0, help="Remembered frames; else the model's.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="K", min=1, help="Denoising steps; else the model's.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the noise.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the result as JSON.", show_default=False)
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Compare with a result that --out wrote, film by film.",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[bool, flag("--markdown", help="Write the tables as Markdown.")] = False,
    story: FilmStory = None,
    embedder: Embedder = "dinov2-base",
    detector: Detector = "grounding-dino-tiny",
    aligner: Aligner = "xclip-base",
    export_vbench: ExportVbench = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Measure a storyworld model on films of held-out stories, or a film: a run directory or a folder of clips."""
    refuse_other_options(context, model)
    if is_film(model):
        return evaluate_film(
            screen_of(context),
            Path(model),
            story=story,
            networks={"embedder": embedder, "detector": detector, "aligner": aligner},
            export=export_vbench,
            out=out,
            markdown=markdown,
            device=device,
            json=json,
        )
    spec = find(model)
    variants = _variants(spec, policies, budgets, selector, conditioner, frames)
    world = _world(spec)
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f'--out: there is no folder "{out.parent}"')
    screen = screen_of(context)
    with screen.watch() as show:
        from onestory_cli.evaluation import compare
        from onestory_cli.evaluation.run import measure

        films = _films(suite, stories, world)
        other = compare.read_other(against) if against else None
        if other:  # what cannot be compared is refused before hours of work
            compare.pair(films.name, [film.key for film in films.films], [item.name for item in variants], other)
        result = measure(
            spec,
            world,
            suite=films,
            variants=variants,
            seed=seed,
            steps=steps or spec.steps,
            device=device,
            emit=show,
        )
    document, tables, notes = result.document(), [result.table()], [*result.notes()]
    if other:
        comparison = compare.against(result, other)
        document["against"] = comparison.document()
        tables, notes = [*tables, comparison.table()], [*notes, comparison.note()]
    if out:
        out.write_text(_lines(document), encoding="utf-8")
    if json:
        screen.line(json_.dumps(document))
    else:
        _show(tables, notes, screen, markdown=markdown)
        screen.note(f"{stories} stories, 95 % intervals over stories, {result.seconds:.0f} s")
    return ExitCode.DONE


def _variants(
    spec: ModelSpec,
    policies: str | None,
    budgets: str | None,
    selector: str | None,
    conditioner: str | None,
    frames: int | None,
) -> tuple[Variant, ...]:
    """The columns that the flags ask for, refused before anything loads."""
    from onestory_cli.evaluation.variants import by_part, by_policy

    most = spec.memory_frames if frames is None else frames
    parts = selector is not None or conditioner is not None
    if parts and policies is not None:
        raise typer.BadParameter("--selector and --conditioner compare parts of the method, --policies whole ones")
    try:
        amounts = tuple(map(_budget, _items(budgets))) if budgets else (spec.budget,)
        if parts:
            return by_part(_switch(selector), _switch(conditioner), amounts, frames=most)
        return by_policy(_items(policies or ("adaptive" if len(amounts) > 1 else POLICIES)), amounts, frames=most)
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from fault


def _items(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip() for item in text.split(",")))


def _budget(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(f"a budget is a number above 0, not {text}")
    return value


def _switch(text: str | None) -> tuple[bool, ...]:
    """On and off in the order given; a part that is not mentioned stays on."""
    items = _items(text or "on")
    if not set(items) <= SWITCH.keys():
        raise ValueError(f'"on", "off" or "on,off" is needed, not "{text}"')
    return tuple(SWITCH[item] for item in items)


def _world(spec: ModelSpec) -> WorldConfig:
    from onestory_cli.evaluation.truth import world_of

    try:
        return world_of(spec)
    except ValueError as fault:
        raise typer.BadParameter(f'the model "{spec.name}" does not know the storyworld: {fault}') from fault


def _films(suite: str, stories: int, world: WorldConfig) -> Suite:
    from onestory_cli.evaluation.suites import SUITES

    try:
        return SUITES[suite](stories, world)
    except ValueError as fault:
        raise typer.BadParameter(f'the suite "{suite}" cannot be made: {fault}') from fault


def _lines(document: dict[str, object]) -> str:
    """JSON with a line per key: thousands of counts would be a line each."""
    rows = (f"{json_.dumps(key)}: {json_.dumps(value)}" for key, value in document.items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _show(tables: list[list[Row]], notes: list[str], screen: Screen, *, markdown: bool) -> None:
    from onestory_cli.evaluation import result

    for index, table in enumerate(tables):
        if markdown:
            screen.line(result.markdown(table, notes if index == len(tables) - 1 else ()).rstrip() + "\n")
            continue
        head, *rows = table
        screen.table(head, rows, right=head[1:])
    if not markdown:
        for note in notes:
            screen.line(note)
