"""The storyworld benchmark: films of held-out stories, each shot generated from the generated shots before it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from onestory_cli.evaluation.consistency import MEASURES
from onestory_cli.evaluation.drawing import DRAWN, Drawing, diversity, frechet_distance
from onestory_cli.evaluation.embeddings import View
from onestory_cli.evaluation.questions import ROWS
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.result import BenchmarkResult, Selector
from onestory_cli.evaluation.rollouts import (
    CEILING,
    BenchmarkSettings,
    GenerateGroups,
    Positions,
    Progress,
    SeenFilms,
    Truth,
    generate_films,
    generate_group,
    view_true_films,
)
from onestory_cli.evaluation.statistics import Estimate, Tally, difference, pool, share, tally
from onestory_cli.evaluation.suites import BenchmarkFilm, BenchmarkSuite, film_answers, row_of
from onestory_cli.evaluation.variants import Variant
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.stories import relevance
from onestory_cli.storyworld.world import WorldConfig

NOISE_STRIDE = 10**9  # between the seeds of two films of one story; a film uses up to 1000 seeds, one per shot


def evaluate(
    model: LoadedModel,
    readout: Readout,
    *,
    suite: BenchmarkSuite,
    variants: Sequence[Variant],
    settings: BenchmarkSettings,
    world: WorldConfig,
    progress: Progress = lambda what, done, total: None,
    see: GenerateGroups | None = None,
) -> BenchmarkResult:
    """Generate every film once per variant, with the same noise, and compare it and the true film with the story.

    `see` generates the films in other processes, with the same model and read-out.
    """
    started = time.monotonic()
    see = see or partial(map, partial(generate_group, model, readout))
    seen = {item.name: _see_all(see, suite, item, settings, progress) for item in variants}
    truth = view_true_films(model, readout, suite, world, progress)
    tallies = {name: _tally_all(suite, films, truth) for name, films in seen.items()}
    first, *others = tallies
    asked = [row for row in _rows(suite) if any(item[row].n for item in tallies.values())]
    ceiling = tally_rows(suite, truth.views, truth.drawings)
    return BenchmarkResult(
        model=model.spec.name,
        suite=suite.name,
        variants=tuple(variants),
        films=tuple(film.key for film in suite.films),
        shown=tuple(row for row in suite.rows if row in asked),
        rows={name: _shares(rows, asked) for name, rows in [*tallies.items(), (CEILING, ceiling)]},
        differences={
            f"{first} - {other}": {row: difference(tallies[first][row], tallies[other][row]) for row in asked}
            for other in others
        },
        tallies={name: {row: rows[row] for row in asked} for name, rows in tallies.items()},
        selector=_selector(suite, variants, seen, frames=model.spec.latent_frames(model.spec.frames)),
        frechet={
            name: round(frechet_distance(_drawings(films), _drawings([truth.drawings])), 4)
            for name, films in [
                *((name, [_drawn(item.views) for item in films]) for name, films in seen.items()),
                (CEILING, [_drawn(truth.views)]),
            ]
        },
        diversity={
            name: round(value, 4)
            for name, films in seen.items()
            if (value := diversity([_drawn(item.views) for item in films])) is not None
        },
        readout=readout.accuracy.get("decoded", {}),
        seconds=round(time.monotonic() - started, 1),
    )


def _see_all(
    see: GenerateGroups, suite: BenchmarkSuite, variant: Variant, settings: BenchmarkSettings, progress: Progress
) -> list[SeenFilms]:
    """The films of a variant, one list per noise seed."""
    seeds = [settings.seed + number * NOISE_STRIDE for number in range(settings.noise_seeds)]
    return [generate_films(see, suite, variant, replace(settings, seed=seed), progress) for seed in seeds]


def _tally_all(suite: BenchmarkSuite, films: Sequence[SeenFilms], truth: Truth) -> dict[str, Tally]:
    """Row -> its questions and right answers in every story, over all noise seeds."""
    tallies = [tally_rows(suite, item.views, truth.drawings) for item in films]
    return {row: pool([item[row] for item in tallies]) for row in tallies[0]}


def tally_rows(
    suite: BenchmarkSuite, seen: Sequence[Sequence[View]], drawings: Sequence[Sequence[Drawing]]
) -> dict[str, Tally]:
    """Row -> its questions and right answers in every film; `drawings` are those of the true films."""
    kept: dict[str, list[list[float]]] = {row: [[] for _ in suite.films] for row in _rows(suite)}
    for index, (film, views, true) in enumerate(zip(suite.films, seen, drawings, strict=True)):
        for row, value in film_answers(film, views, true):
            kept[row][index].append(value)
    return {row: tally(items) for row, items in kept.items()}


def _rows(suite: BenchmarkSuite) -> list[str]:
    """All rows of a suite, part by part."""
    names = dict.fromkeys(part.name for film in suite.films for part in film.parts)
    return [row_of(name, row) for name in names for row in (*ROWS, *MEASURES, *DRAWN)]


def _shares(rows: Mapping[str, Tally], asked: Sequence[str]) -> dict[str, Estimate]:
    return {row: share(rows[row]) for row in asked}


def _selector(
    suite: BenchmarkSuite, variants: Sequence[Variant], seen: Mapping[str, Sequence[SeenFilms]], *, frames: int
) -> Selector | None:
    """Score the selector on the first variant with the adaptive policy; the others do not use its ranking."""
    adaptive = [item.name for item in variants if item.policy == "adaptive"]
    return score_selector(suite.films, seen[adaptive[0]][0].selections, frames=frames) if adaptive else None


def score_selector(films: Sequence[BenchmarkFilm], selections: Sequence[Positions], *, frames: int) -> Selector:
    """Compare the highest-ranked frame of every measured shot with the relevance that the story defines.

    `frames` is the number of latent frames in a shot.
    """
    first: list[list[float]] = [[] for _ in films]
    chance: list[list[float]] = [[] for _ in films]
    last: list[list[float]] = [[] for _ in films]
    for index, (film, chosen) in enumerate(zip(films, selections, strict=True)):
        asked = {part.shots[target]: (part.story, target) for part in film.parts for target in part.measured}
        for shot, (story, target) in asked.items():
            scores = relevance(story, target)
            best = [score == max(scores) for score in scores]
            if all(best) or not chosen[shot]:
                continue
            first[index].append(best[chosen[shot][0] // frames])
            chance[index].append(sum(best) / len(best))
            last[index].append(best[-1])
    return Selector(first_choice=share(tally(first)), chance=share(tally(chance)), last=share(tally(last)))


def _drawn(views: Sequence[Sequence[View]]) -> list[list[Drawing]]:
    return [[view.drawing for view in film] for film in views]


def _drawings(groups: Sequence[Sequence[Sequence[Drawing]]]) -> list[Drawing]:
    """All drawings of groups of films, one after the other."""
    return [drawing for films in groups for film in films for drawing in film]
