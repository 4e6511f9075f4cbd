"""`onestory evaluate` of a model: render films of held-out stories and compare variants."""

from __future__ import annotations

import json as json_
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import write_result
from onestory_cli.commands._options import option
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.story.types import MAX_SEED

if TYPE_CHECKING:
    from onestory_cli.evaluation.compare import Comparison
    from onestory_cli.evaluation.result import BenchmarkResult, Row
    from onestory_cli.evaluation.suites import BenchmarkSuite
    from onestory_cli.evaluation.variants import Variant
    from onestory_cli.storyworld.world import WorldConfig

POLICIES = "adaptive,recent,none"
SWITCH = {"on": True, "off": False}


class SuiteName(StrEnum):
    """The keys of `evaluation.suites.SUITES`, which is slow to import."""

    STORIES = "stories"
    PATTERNS = "patterns"
    LADDER = "ladder"
    LENGTH = "length"
    TWINS = "twins"
    UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class BenchmarkFlags:
    """Which films the model renders, how, and which variants are compared."""

    suite: Annotated[
        SuiteName,
        typer.Option(
            "--suite",
            metavar="SUITE",
            help="Films: `stories` of six shots; `patterns`, the three of the paper; `ladder`, gaps of 1 to 9; "
            "`length`, films of 100 shots; and for version 2 of the storyworld `twins`, two characters of one species, "
            "and `unseen`, looks that training left out.",
        ),
    ] = SuiteName.STORIES
    stories: Annotated[int, typer.Option("--stories", metavar="N", min=2, help="Number of held-out stories.")] = 100
    first: Annotated[
        int,
        typer.Option(
            "--first",
            metavar="SEED",
            min=1_000_000,
            max=4_999_999,
            help="Seed of the first story. Stories from 2000000 on are the test set: choose nothing by them.",
        ),
    ] = 1_000_000
    policies: Annotated[
        str | None,
        option(
            "--policies",
            metavar="NAMES",
            help=f"Policies to compare with the first one [default: {POLICIES}; adaptive with another list].",
        ),
    ] = None
    budgets: Annotated[
        str | None,
        option("--budgets", "--budget", metavar="B,...", help="Memory budgets to compare [default: the model's]."),
    ] = None
    memory_guidance: Annotated[
        str | None,
        option(
            "--memory-guidance",
            metavar="G,...",
            help="Memory guidance scales to compare [default: the model's].",
        ),
    ] = None
    selector: Annotated[
        str | None,
        option(
            "--selector",
            metavar="on,off",
            help="Compare with and without frame selection: the most relevant frames, or the latest.",
        ),
    ] = None
    conditioner: Annotated[
        str | None,
        option(
            "--conditioner",
            metavar="on,off",
            help="Compare with and without the adaptive conditioner: levels by relevance, or fewer frames.",
        ),
    ] = None
    frames: Annotated[
        int | None,
        option("--frames", metavar="K", min=0, help="Remembered frames [default: the model's]."),
    ] = None
    steps: Annotated[
        int | None,
        option("--steps", metavar="K", min=1, help="Denoising steps [default: the model's]."),
    ] = None
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, max=MAX_SEED, help="Seed of the noise.")] = 0
    noise_seeds: Annotated[
        int, typer.Option("--noise-seeds", metavar="N", min=1, help="Films per story, each with different noise.")
    ] = 1
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Processes that render films, each with its own GPU or part of the CPU.",
        ),
    ] = 1

    def variants(self, spec: ModelSpec) -> tuple[Variant, ...]:
        """The variants to compare. Called before anything is loaded.

        Raises:
            typer.BadParameter: options that exclude each other, or an invalid value.
        """
        from onestory_cli.evaluation.variants import by_guidance, by_part, by_policy

        most = spec.memory_frames if self.frames is None else self.frames
        parts = self.selector is not None or self.conditioner is not None
        if parts and self.policies is not None:
            raise typer.BadParameter("use --policies, or --selector and --conditioner, not both")
        try:
            amounts = _numbers(_budget, self.budgets) if self.budgets else (spec.budget,)
            scales = _numbers(_guidance, self.memory_guidance) if self.memory_guidance else ()
            usual = "adaptive" if max(len(amounts), len(scales)) > 1 else POLICIES
            variants = (
                by_part(_switch(self.selector), _switch(self.conditioner), amounts, frames=most)
                if parts
                else by_policy(_items(self.policies or usual), amounts, frames=most)
            )
            return by_guidance(variants, scales or (spec.memory_guidance,))
        except ValueError as fault:
            raise typer.BadParameter(str(fault)) from fault


Against = Annotated[
    Path | None,
    option("--against", metavar="FILE", help="Compare with an earlier result of --out, story by story."),
]


def evaluate_model(
    screen: Screen,
    spec: ModelSpec,
    asked: BenchmarkFlags,
    *,
    against: Path | None,
    out: Path | None,
    markdown: bool,
    device: str,
    json: bool,
) -> ExitCode:
    """Render the films, measure them, compare, and print the result."""
    _require_memory(spec)
    variants, world = asked.variants(spec), _world(spec)
    with screen.watch() as show:
        from onestory_cli.evaluation import compare
        from onestory_cli.evaluation.rollouts import BenchmarkSettings
        from onestory_cli.evaluation.run import measure
        from onestory_cli.generation.denoise import DenoiseConfig

        films = _films(asked, world)
        settings = BenchmarkSettings(
            schedule=DenoiseConfig.of_model(spec, steps=asked.steps or spec.steps),
            seed=asked.seed,
            noise_seeds=asked.noise_seeds,
            workers=asked.workers,
        )
        other = compare.read_other(against) if against else None
        if other:  # refuse an incomparable result before hours of rendering
            compare.pair_results(
                films.name, [film.key for film in films.films], [item.name for item in variants], other
            )
        result = measure(
            spec,
            world,
            suite=films,
            variants=variants,
            settings=settings,
            first=asked.first,
            device=device,
            emit=show,
        )
    output = EvaluationOutput.of(result, compare.compare_results(result, other) if other else None)
    try:
        if out:
            write_result(out, _lines(output.document).encode())
    finally:  # print the result even if the file cannot be written
        if json:
            screen.line(json_.dumps(output.document))
        else:
            _show(output, screen, markdown=markdown)
            screen.note(f"{asked.stories} stories, 95 % intervals over stories, {result.seconds:.0f} s")
    return ExitCode.DONE


@dataclass(frozen=True, kw_only=True)
class EvaluationOutput:
    """A result as JSON, and as tables with notes."""

    document: dict[str, object]
    tables: list[list[Row]]
    notes: list[str]

    @classmethod
    def of(cls, result: BenchmarkResult, comparison: Comparison | None) -> EvaluationOutput:
        document, tables, notes = result.document(), [result.table()], [*result.notes()]
        if comparison is None:
            return cls(document=document, tables=tables, notes=notes)
        return cls(
            document={**document, "against": comparison.document()},
            tables=[*tables, comparison.table()],
            notes=[*notes, comparison.note()],
        )


def _items(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.strip() for item in text.split(",")))


def _numbers(read: Callable[[str], float], text: str) -> tuple[float, ...]:
    """Parse a list of numbers without duplicates; 1 and 1.0 are equal."""
    return tuple(dict.fromkeys(map(read, _items(text))))


def _budget(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(f"a budget must be a number above 0, not {text}")
    return value


def _guidance(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(f"a guidance scale must be a number of at least 0, not {text}")
    return value


def _switch(text: str | None) -> tuple[bool, ...]:
    """Parse a list of on and off; a part without a list is on."""
    items = _items(text or "on")
    if not set(items) <= SWITCH.keys():
        raise ValueError(f'use "on", "off" or "on,off", not "{text}"')
    return tuple(SWITCH[item] for item in items)


def _require_memory(spec: ModelSpec) -> None:
    """Refuse a base without adapter: the benchmark renders films in batches, and only context tokens can be batched.

    Raises:
        typer.BadParameter: it has no memory adapter.
    """
    if spec.remembers != "context":
        raise typer.BadParameter(
            f'model "{spec.name}" has no memory adapter, which the benchmark measures: use `onestory train`, '
            f"or measure a film of any model with `onestory evaluate film.run`"
        )


def _world(spec: ModelSpec) -> WorldConfig:
    from onestory_cli.evaluation.world import world_of

    try:
        return world_of(spec)
    except ValueError as fault:
        raise typer.BadParameter(f'model "{spec.name}" does not know the storyworld: {fault}') from fault


def _films(asked: BenchmarkFlags, world: WorldConfig) -> BenchmarkSuite:
    from onestory_cli.evaluation.suites import SUITES

    try:
        return SUITES[asked.suite](asked.stories, world, first=asked.first)
    except ValueError as fault:
        raise typer.BadParameter(f'suite "{asked.suite}" is not possible: {fault}') from fault


def _lines(document: dict[str, object]) -> str:
    """JSON with one line per key. With indentation, thousands of counts would be one line each."""
    rows = (f"{json_.dumps(key)}: {json_.dumps(value)}" for key, value in document.items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _show(output: EvaluationOutput, screen: Screen, *, markdown: bool) -> None:
    from onestory_cli.evaluation import result

    for index, table in enumerate(output.tables):
        if markdown:
            notes = output.notes if index == len(output.tables) - 1 else ()
            screen.lines([*result.markdown(table, notes).rstrip().splitlines(), ""])
            continue
        head, *rows = table
        screen.table(head, rows, right=head[1:])
    if not markdown:
        for note in output.notes:
            screen.line(note)
