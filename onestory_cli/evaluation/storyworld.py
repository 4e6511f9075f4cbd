"""The storyworld benchmark: held-out stories, every shot made from the made shots before it, read and compared.

Shape letters: B films, C latent channels, T latent frames, P pixel frames, K selected frames, H W.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onestory_cli.evaluation.questions import ROWS, answers
from onestory_cli.evaluation.readout import Reading, Readout
from onestory_cli.evaluation.result import Result, Selector
from onestory_cli.evaluation.statistics import Estimate, Tally, difference, share, tally
from onestory_cli.generate.denoise import Schedule
from onestory_cli.generate.rollout import roll_out
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story, relevance, shown_before
from onestory_cli.storyworld.world import WorldConfig, WorldStory

HELD_OUT = 1_000_000  # stories from this seed on are never trained on
CEILING = "ceiling"  # true films, encoded and decoded: what a perfect transformer would be read as
SHOTS = 6

Progress = Callable[[str, int, int], None]  # what, films done, films in all


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How the films of a benchmark are made. frames, budget: memory settings; None takes the model's."""

    schedule: Schedule
    frames: int | None = None
    budget: float | None = None
    seed: int = 0
    batch: int = 16


@dataclass(frozen=True, kw_only=True)
class Films:
    """What was read from the films of all stories, and for each shot of each the bank positions in order of rank."""

    readings: tuple[tuple[Reading, ...], ...]
    selections: tuple[tuple[tuple[int, ...], ...], ...] = ()


def evaluate(
    model: LoadedModel,
    readout: Readout,
    *,
    stories: Sequence[WorldStory],
    policies: Sequence[str],
    conduct: Conduct,
    world: WorldConfig,
    progress: Progress = lambda what, done, total: None,
) -> Result:
    """Make every story once per policy, with the same noise, and once from the true renderer, and compare all readings
    with the stories."""
    started = time.monotonic()
    films = {policy: make_films(model, readout, stories, policy, conduct, progress) for policy in policies}
    tallies = {policy: tally_rows(stories, made.readings) for policy, made in films.items()}
    truth = tally_rows(stories, read_truth(model, readout, stories, world, progress))
    first, *others = policies
    return Result(
        model=model.spec.name,
        stories=len(stories),
        policies=tuple(policies),
        rows={name: _shares(rows) for name, rows in [*tallies.items(), (CEILING, truth)]},
        differences={
            f"{first} - {other}": {row: difference(tallies[first][row], tallies[other][row]) for row in ROWS}
            for other in others
        },
        selector=_selector(stories, films.get("adaptive"), model.spec),
        seconds=round(time.monotonic() - started, 1),
    )


def held_out(count: int, world: WorldConfig, *, shots: int = SHOTS, first: int = HELD_OUT) -> list[WorldStory]:
    """Stories with new casts, which no training has seen."""
    return [make_story(first + index, world, shots=shots) for index in range(count)]


def make_films(
    model: LoadedModel,
    readout: Readout,
    stories: Sequence[WorldStory],
    policy: str,
    conduct: Conduct,
    progress: Progress,
) -> Films:
    """Read the films that the model makes of the stories' captions."""
    readings: list[tuple[Reading, ...]] = []
    selections: list[tuple[tuple[int, ...], ...]] = []
    for start in range(0, len(stories), conduct.batch):
        group = stories[start : start + conduct.batch]
        chosen: list[Tensor] = []
        with quick(model):
            shots = [_read(model, readout, latents) for latents in _roll(model, group, policy, conduct, start, chosen)]
        readings += zip(*shots, strict=True)
        selections += [tuple(tuple(shot[film].tolist()) for shot in chosen) for film in range(len(group))]
        progress(policy, start + len(group), len(stories))
    return Films(readings=tuple(readings), selections=tuple(selections))


def _roll(
    model: LoadedModel, group: Sequence[WorldStory], policy: str, conduct: Conduct, start: int, chosen: list[Tensor]
) -> Iterator[Tensor]:
    return roll_out(
        model,
        [[shot.caption for shot in story.shots] for story in group],
        policy=policy,
        schedule=conduct.schedule,
        frames=conduct.frames,
        budget=conduct.budget,
        seed=conduct.seed + 1000 * start,  # a film's noise does not depend on how films are batched
        shown=[[shown_before(story, index) for index in range(len(story.shots))] for story in group],
        selections=chosen,
    )


@torch.inference_mode()
def _read(model: LoadedModel, readout: Readout, latents_BCTHW: Tensor) -> list[Reading]:
    return readout.read(np.stack([model.decode(latents) for latents in latents_BCTHW]))


@torch.inference_mode()
def read_truth(
    model: LoadedModel, readout: Readout, stories: Sequence[WorldStory], world: WorldConfig, progress: Progress
) -> list[tuple[Reading, ...]]:
    """Read the true films after a way through the model's VAE."""
    readings = []
    for done, story in enumerate(stories, start=1):
        pixels = np.stack([render_shot(shot, world).pixels_THWC for shot in story.shots])
        with quick(model):
            readings.append(tuple(_read(model, readout, model.encode_video(pixels))))
        progress(CEILING, done, len(stories))
    return readings


@contextmanager
def quick(model: LoadedModel) -> Iterator[None]:
    """bfloat16 where the device is fast in it: many films are averaged, so that rounding does not matter."""
    fast = model.device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    with warnings.catch_warnings(), torch.autocast(model.device.type, torch.bfloat16, enabled=fast):
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")  # a norm, a little slower
        yield


def tally_rows(stories: Sequence[WorldStory], readings: Sequence[Sequence[Reading]]) -> dict[str, Tally]:
    """Row -> its questions and right answers in every story."""
    kept: dict[str, list[list[float]]] = {row: [[] for _ in stories] for row in ROWS}
    for index, (story, seen) in enumerate(zip(stories, readings, strict=True)):
        for row, hit in answers(story, seen):
            kept[row][index].append(hit)
    return {row: tally(items) for row, items in kept.items()}


def _shares(rows: Mapping[str, Tally]) -> dict[str, Estimate]:
    return {row: share(item) for row, item in rows.items()}


def _selector(stories: Sequence[WorldStory], films: Films | None, spec: ModelSpec) -> Selector | None:
    """Only the films of the adaptive policy show what the selector ranks first."""
    if films is None:
        return None
    return judge_selector(stories, films.selections, frames=spec.latent_frames(spec.frames))


def judge_selector(
    stories: Sequence[WorldStory], selections: Sequence[Sequence[Sequence[int]]], *, frames: int
) -> Selector:
    """Compare the highest-ranked frame of every shot with the stories' own relevance; `frames` latent frames a shot."""
    first: list[list[float]] = [[] for _ in stories]
    chance: list[list[float]] = [[] for _ in stories]
    last: list[list[float]] = [[] for _ in stories]
    for index, (story, chosen) in enumerate(zip(stories, selections, strict=True)):
        for target in range(1, len(story.shots)):
            scores = relevance(story, target)
            best = [score == max(scores) for score in scores]
            if all(best) or not chosen[target]:
                continue
            first[index].append(best[chosen[target][0] // frames])
            chance[index].append(sum(best) / len(best))
            last[index].append(best[-1])
    return Selector(first_choice=share(tally(first)), chance=share(tally(chance)), last=share(tally(last)))
