"""Measure how often the setting of a remembered frame shows in another setting.

`python -m tests.benchmarks.leak` generates shots of held-out stories of the storyworld whose memory has a frame of one
of their characters in another setting. The memory is true: earlier shots as the world draws them, one picture per
latent frame. Each shot is generated from whole frames, from frames that are cropped as `memory: {crop}` crops them
(with the boxes of the world's renderer), and without memory; the selection and the noise are the same.

Shape letters: B shots, F bank frames, K selected frames, C latent channels, T latent frames, H W pixels or cells.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from onestory_cli.evaluation.embeddings import View, likeness
from onestory_cli.evaluation.questions import Answer
from onestory_cli.evaluation.readout import Readout, load_readout
from onestory_cli.evaluation.world import world_of
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.selection import MemoryLimits, Selection, condition, gather, select
from onestory_cli.memory.policies import FrameRef
from onestory_cli.models.catalog import find
from onestory_cli.models.character_crops import Picture, on_white
from onestory_cli.models.detection import Box
from onestory_cli.models.load import load_model
from onestory_cli.models.model import LoadedModel, frame_scores
from onestory_cli.storyworld.render import RenderedShot, render_shot
from onestory_cli.storyworld.stories import make_story, shown_before
from onestory_cli.storyworld.visibility import shows_accent
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig, WorldShot, WorldStory

SHOTS = 6
WAYS = ("whole frames", "cropped", "no memory")
ROWS = (
    "setting of the caption",
    "setting of a remembered frame",
    "accent colour of a remembered frame",
    "likeness to its place",
    "character: colour",
    "character: all looks",
)


@dataclass(frozen=True, kw_only=True)
class LeakShot:
    """A shot of a story, and the places of its selected frames that the crop would cut."""

    story: WorldStory
    index: int
    cut: frozenset[int]

    @property
    def shot(self) -> WorldShot:
        return self.story.shots[self.index]


def leak_shots(stories: Sequence[WorldStory], index: int) -> list[LeakShot]:
    """The shots at `index` that name their setting and can remember one of their characters in another one."""
    found = []
    for story in stories:
        shot = story.shots[index]
        looks = {actor.look for actor in shot.actors}
        others = {
            number
            for number, before in enumerate(story.shots[:index])
            if looks & {actor.look for actor in before.actors} and before.place.setting != shot.place.setting
        }
        if others and shot.names_place != "omitted":
            found.append(LeakShot(story=story, index=index, cut=frozenset(others)))
    return found


class LeakBenchmark:
    """Generates shots in three ways and reads what they show."""

    def __init__(self, model: LoadedModel, readout: Readout) -> None:
        self._model, self._readout = model, readout
        self._world: WorldConfig = world_of(model.spec)
        self._render = cache(lambda shot: render_shot(shot, self._world))

    def stories(self, count: int) -> list[WorldStory]:
        return [make_story(HELD_OUT + number, self._world, shots=SHOTS) for number in range(count)]

    @torch.inference_mode()
    def answers(self, shots: Sequence[LeakShot]) -> dict[str, list[Answer]]:
        """For each way, all answers about the shots, which have the same index."""
        whole = torch.stack([self._memory(item, crop=False) for item in shots])
        cropped = torch.stack([self._memory(item, crop=True) for item in shots])
        embeds = self._model.text.encode([item.shot.caption for item in shots])
        chosen = self._select(shots, whole, embeds)
        nothing = Selection(positions_BK=chosen.positions_BK[:, :0], levels=())
        found = {}
        for way, memory, used in zip(WAYS, (whole, cropped, whole), (chosen, chosen, nothing), strict=True):
            views = self._generate(embeds, memory, used)
            rows = zip(shots, chosen.positions_BK.tolist(), views, strict=True)
            found[way] = [answer for row in rows for answer in self._read(*row)]
        return found

    def _memory(self, item: LeakShot, *, crop: bool) -> Tensor:
        """Latents (F, C, H, W) of the frames of all earlier shots."""
        looks = {actor.look for actor in item.shot.actors}
        frames = []
        for number, before in enumerate(item.story.shots[: item.index]):
            drawn = self._render(before)
            wanted = [place for place, actor in enumerate(before.actors, start=1) if actor.look in looks]
            for frame in range(0, len(drawn.pixels_THWC), self._model.spec.temporal_stride):
                picture = drawn.pixels_THWC[frame]
                boxes = boxes_of(drawn, frame, wanted) if crop and number in item.cut else []
                frames.append(self._encode(on_white(picture, boxes) if boxes else picture))
        return torch.stack(frames)

    def _encode(self, picture: Picture) -> Tensor:
        return self._model.codec.encode_image(picture)[:, 0]

    def _select(self, shots: Sequence[LeakShot], memory_BFCHW: Tensor, embeds_BLE: Tensor) -> Selection:
        spec, index = self._model.spec, shots[0].index
        length = spec.latent_frames(spec.frames)
        refs = [FrameRef(str(source), frame) for source in range(index) for frame in range(length)]
        ages = torch.arange(index, 0, -1).repeat_interleave(length)
        times = torch.tensor([ref.index for ref in refs])
        scores = frame_scores(self._model.selector, memory_BFCHW, ages, times, embeds_BLE)
        size = (memory_BFCHW.shape[-2], memory_BFCHW.shape[-1])
        limits = MemoryLimits(frames=spec.memory_frames, budget=spec.budget, levels=spec.levels, size=size)
        shown = [shown_before(item.story, index) for item in shots]
        return select(spec.policy, scores, refs, limits, shown)

    def _generate(self, embeds_BLE: Tensor, memory_BFCHW: Tensor, used: Selection) -> list[View]:
        model, spec, count = self._model, self._model.spec, len(embeds_BLE)
        context = condition(model.denoiser, gather(memory_BFCHW, used.positions_BK), used.levels)
        shape = (1, spec.latent_channels, spec.latent_frames(spec.frames), *spec.latent_size(spec.width, spec.height))
        conditions = Conditions(
            prompt_embeds_BLE=embeds_BLE,
            negative_prompt_embeds_BLE=model.text.encode([spec.negative] * count),
            context_BSD=context.tokens_BSD,
            context_rope=context.rope,
        )
        noise = torch.cat([prepare_latents(shape, seed=row) for row in range(count)])
        latents = denoise(model.denoiser, noise, conditions, DenoiseConfig.of_model(spec, steps=spec.steps))
        return self._readout.view(np.stack([model.codec.decode(item) for item in latents]))

    def _read(self, item: LeakShot, chosen: Sequence[int], view: View) -> Iterator[Answer]:
        length = self._model.spec.latent_frames(self._model.spec.frames)
        sources = {place // length for place in chosen} & item.cut
        if not sources:
            return
        places = [item.story.shots[source].place for source in sources]
        reading, shot = view.reading, item.shot
        yield ROWS[0], reading.setting == shot.place.setting
        yield ROWS[1], reading.setting in {place.setting for place in places}
        if shows_accent(shot) and all(before.place != shot.place for before in item.story.shots[: item.index]):
            others = [place for place in places if place.accent_colour != shot.place.accent_colour]
            if others:
                yield ROWS[2], reading.accent_colour in {place.accent_colour for place in others}
        yield ROWS[3], max(likeness(view.place, self._place(item.story.shots[source])) for source in sources)
        species = [actor.look.species for actor in shot.actors]
        for actor, named in zip(shot.actors, shot.names_look, strict=True):
            if not named and species.count(actor.look.species) == 1:
                look = reading.looks[actor.look.species]
                there = reading.shows(actor.look.species)
                yield ROWS[4], there and look.colour == actor.look.colour
                yield ROWS[5], there and look == actor.look

    def _place(self, shot: WorldShot) -> np.ndarray:
        return self._readout.view(self._render(shot).pixels_THWC[None])[0].place


def boxes_of(drawn: RenderedShot, frame: int, actors: Sequence[int]) -> list[Box]:
    """The box around each of some actors of a frame, without those that are not visible."""
    found = []
    for number in actors:
        rows, columns = np.nonzero(drawn.cast_THW[frame] == number)
        if len(rows):
            edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            left, top, right, bottom = map(int, edges)
            found.append(Box(left=left, top=top, right=right, bottom=bottom, score=1.0))
    return found


def table(answers: dict[str, list[Answer]]) -> str:
    """Mean of each row, in percent, and the number of answers."""
    lines = [f"| | n | {' | '.join(WAYS)} |", "|---|---:|" + "---:|" * len(WAYS)]
    for row in ROWS:
        values = [[value for name, value in answers[way] if name == row] for way in WAYS]
        if values[0]:
            means = " | ".join(f"{100 * float(np.mean(column)):.1f}" for column in values)
            lines.append(f"| {row} | {len(values[0])} | {means} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.leak", description=__doc__)
    parser.add_argument("--model", default="storyworld")
    parser.add_argument("--stories", type=int, default=48)
    options = parser.parse_args(arguments)
    benchmark = LeakBenchmark(load_model(find(options.model), "cpu"), load_readout())
    stories = benchmark.stories(options.stories)
    answers: dict[str, list[Answer]] = {way: [] for way in WAYS}
    for index in range(1, SHOTS):
        if shots := leak_shots(stories, index):
            for way, rows in benchmark.answers(shots).items():
                answers[way] += rows
    sys.stdout.write(table(answers))


if __name__ == "__main__":
    main()
