"""`onestory evaluate` of a model: which films are made, what is compared, and how the result is shown."""

from __future__ import annotations

import json as json_
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import option
from onestory_cli.commands.screen import Screen
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import ModelSpec

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


Films = Annotated[
    SuiteName,
    typer.Option(
        "--suite",
        metavar="SUITE",
        help="What is made: `stories`, mixed ones of six shots; `patterns`, the paper's three; `ladder`, gaps of 1 to "
        "9 shots; or `length`, films of 100 shots.",
    ),
]
Stories = Annotated[int, typer.Option("--stories", metavar="N", min=2, help="Held-out stories.")]
Policies = Annotated[
    str | None,
    option(
        "--policies",
        metavar="NAMES",
        help=f"What to compare; differences are to the first. [default: {POLICIES}, or adaptive for --budgets]",
    ),
]
Budgets = Annotated[
    str | None,
    option("--budgets", "--budget", metavar="B,...", help="Memory budgets to compare; else the model's."),
]
SelectorSwitch = Annotated[
    str | None,
    option(
        "--selector",
        metavar="on,off",
        help="With and without Frame Selection: the most relevant frames, or the latest.",
    ),
]
ConditionerSwitch = Annotated[
    str | None,
    option(
        "--conditioner",
        metavar="on,off",
        help="With and without Adaptive Conditioner: levels by relevance, or fewer frames of the finest.",
    ),
]
Frames = Annotated[int | None, option("--frames", metavar="K", min=0, help="Remembered frames; else the model's.")]
Steps = Annotated[int | None, option("--steps", metavar="K", min=1, help="Denoising steps; else the model's.")]
NoiseSeed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the noise.")]
Against = Annotated[
    Path | None,
    option("--against", metavar="FILE", help="Compare with a result that --out wrote, story by story."),
]


def evaluate_model(
    screen: Screen,
    spec: ModelSpec,
    variants: tuple[Variant, ...],
    *,
    suite: str,
    stories: int,
    seed: int,
    steps: int,
    against: Path | None,
    out: Path | None,
    markdown: bool,
    device: str,
    json: bool,
) -> ExitCode:
    """Make the films, read them, compare, and show the result."""
    world = _world(spec)
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f'--out: there is no folder "{out.parent}"')
    with screen.watch() as show:
        from onestory_cli.evaluation import compare
        from onestory_cli.evaluation.run import measure

        films = _films(suite, stories, world)
        other = compare.read_other(against) if against else None
        if other:  # what cannot be compared is refused before hours of work
            compare.pair(films.name, [film.key for film in films.films], [item.name for item in variants], other)
        result = measure(spec, world, suite=films, variants=variants, seed=seed, steps=steps, device=device, emit=show)
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


def variants_of(
    spec: ModelSpec,
    policies: str | None,
    budgets: str | None,
    selector: str | None,
    conditioner: str | None,
    frames: int | None,
) -> tuple[Variant, ...]:
    """The columns that the flags ask for, refused before anything loads.

    Raises:
        typer.BadParameter: flags that do not go together, or a value that there is not.
    """
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
