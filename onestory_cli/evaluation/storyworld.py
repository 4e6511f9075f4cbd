"""The storyworld benchmark: held-out stories, every shot made from the made shots before it, read and compared.

Shape letters: B films, C latent channels, T latent frames, P pixel frames, K selected frames, H W.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from onestory_cli.evaluation.consistency import MEASURES
from onestory_cli.evaluation.questions import ROWS
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.result import Result, Selector
from onestory_cli.evaluation.statistics import Estimate, Tally, difference, share, tally
from onestory_cli.evaluation.suites import Film, Suite, ask, row_of
from onestory_cli.evaluation.variants import Variant
from onestory_cli.evaluation.view import View
from onestory_cli.generate.denoise import Schedule
from onestory_cli.generate.rollout import roll_out
from onestory_cli.models.load import LoadedModel, fast_in_bfloat16
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import relevance, shown_before
from onestory_cli.storyworld.world import WorldConfig

CEILING = "ceiling"  # true films, encoded and decoded: what a perfect transformer would be read as

Progress = Callable[[str, int, int], None]  # what, films done, films in all
Positions = Sequence[Sequence[int]]  # per shot, the chosen bank positions in order of rank


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How the films of a benchmark are made, whatever they remember."""

    schedule: Schedule
    seed: int = 0
    batch: int = 16


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen in the films of a suite, one view per shot, and what every shot of each film remembered."""

    views: tuple[tuple[View, ...], ...]
    selections: tuple[Positions, ...] = ()


def evaluate(
    model: LoadedModel,
    readout: Readout,
    *,
    suite: Suite,
    variants: Sequence[Variant],
    conduct: Conduct,
    world: WorldConfig,
    progress: Progress = lambda what, done, total: None,
) -> Result:
    """Make every film once per variant, with the same noise, and once from the true renderer, and compare what all of
    them show with the stories."""
    started = time.monotonic()
    seen = {item.name: make_films(model, readout, suite, item, conduct, progress) for item in variants}
    truth = see_truth(model, readout, suite, world, progress)
    tallies = {name: tally_rows(suite, films.views) for name, films in seen.items()}
    first, *others = tallies
    asked = [row for row in _rows(suite) if any(item[row].n for item in tallies.values())]
    ceiling = tally_rows(suite, truth)
    return Result(
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
        readout=readout.accuracy.get("decoded", {}),
        seconds=round(time.monotonic() - started, 1),
    )


def make_films(
    model: LoadedModel, readout: Readout, suite: Suite, variant: Variant, conduct: Conduct, progress: Progress
) -> Seen:
    """See the films that the model makes of the stories' captions."""
    views: list[tuple[View, ...]] = []
    selections: list[Positions] = []
    for start in range(0, len(suite.films), conduct.batch):
        group = suite.films[start : start + conduct.batch]
        chosen: list[Tensor] = []
        with quick(model):
            shots = [_see(model, readout, made) for made in _roll(model, group, variant, conduct, start, chosen)]
        views += zip(*shots, strict=True)
        selections += [[shot[film].tolist() for shot in chosen] for film in range(len(group))]
        progress(variant.name, start + len(group), len(suite.films))
    return Seen(views=tuple(views), selections=tuple(selections))


def _roll(
    model: LoadedModel, group: Sequence[Film], variant: Variant, conduct: Conduct, start: int, chosen: list[Tensor]
) -> Iterator[Tensor]:
    return roll_out(
        model,
        [[shot.caption for shot in film.story.shots] for film in group],
        policy=variant.policy,
        schedule=replace(conduct.schedule, memory_guidance=variant.guidance),
        frames=variant.frames,
        budget=variant.budget,
        visible=group[0].visible,
        seed=conduct.seed + 1000 * start,  # a film's noise does not depend on how films are batched
        shown=[[shown_before(film.story, shot) for shot in range(len(film.story.shots))] for film in group],
        introduces=[[any(shot.names_look) for shot in film.story.shots] for film in group],
        selections=chosen,
    )


@torch.inference_mode()
def _see(model: LoadedModel, readout: Readout, latents_BCTHW: Tensor) -> list[View]:
    return readout.view(np.stack([model.decode(latents) for latents in latents_BCTHW]))


@torch.inference_mode()
def see_truth(
    model: LoadedModel, readout: Readout, suite: Suite, world: WorldConfig, progress: Progress
) -> list[tuple[View, ...]]:
    """See the true films after a way through the model's VAE."""
    seen = []
    for done, film in enumerate(suite.films, start=1):
        views: list[View] = []
        for shot in dict.fromkeys(film.story.shots):
            pixels = render_shot(shot, world).pixels_THWC
            with quick(model):
                views += _see(model, readout, model.encode_video(pixels[None]))
        by_shot = dict(zip(dict.fromkeys(film.story.shots), views, strict=True))  # a ladder's returns are one shot
        seen.append(tuple(by_shot[shot] for shot in film.story.shots))
        progress(CEILING, done, len(suite.films))
    return seen


@contextmanager
def quick(model: LoadedModel) -> Iterator[None]:
    """bfloat16 where the device is fast in it: many films are averaged, so that rounding does not matter."""
    fast = fast_in_bfloat16(model.device)
    with warnings.catch_warnings(), torch.autocast(model.device.type, torch.bfloat16, enabled=fast):
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")  # a norm, a little slower
        yield


def tally_rows(suite: Suite, seen: Sequence[Sequence[View]]) -> dict[str, Tally]:
    """Row -> its questions and right answers in every film."""
    kept: dict[str, list[list[float]]] = {row: [[] for _ in suite.films] for row in _rows(suite)}
    for index, (film, views) in enumerate(zip(suite.films, seen, strict=True)):
        for row, value in ask(film, views):
            kept[row][index].append(value)
    return {row: tally(items) for row, items in kept.items()}


def _rows(suite: Suite) -> list[str]:
    """All rows that the suite can ask, part by part."""
    names = dict.fromkeys(part.name for film in suite.films for part in film.parts)
    return [row_of(name, row) for name in names for row in (*ROWS, *MEASURES)]


def _shares(rows: Mapping[str, Tally], asked: Sequence[str]) -> dict[str, Estimate]:
    return {row: share(rows[row]) for row in asked}


def _selector(suite: Suite, variants: Sequence[Variant], seen: Mapping[str, Seen], *, frames: int) -> Selector | None:
    """Only films of the adaptive policy show what the selector ranks first; the first such variant is judged."""
    adaptive = [item.name for item in variants if item.policy == "adaptive"]
    return judge_selector(suite.films, seen[adaptive[0]].selections, frames=frames) if adaptive else None


def judge_selector(films: Sequence[Film], selections: Sequence[Positions], *, frames: int) -> Selector:
    """Compare the highest-ranked frame of every shot that is asked about with the stories' own relevance.

    `frames` is the number of latent frames in a shot.
    """
    first: list[list[float]] = [[] for _ in films]
    chance: list[list[float]] = [[] for _ in films]
    last: list[list[float]] = [[] for _ in films]
    for index, (film, chosen) in enumerate(zip(films, selections, strict=True)):
        asked = {part.shots[target]: (part.story, target) for part in film.parts for target in part.asked}
        for shot, (story, target) in asked.items():
            scores = relevance(story, target)
            best = [score == max(scores) for score in scores]
            if all(best) or not chosen[shot]:
                continue
            first[index].append(best[chosen[shot][0] // frames])
            chance[index].append(sum(best) / len(best))
            last[index].append(best[-1])
    return Selector(first_choice=share(tally(first)), chance=share(tally(chance)), last=share(tally(last)))
