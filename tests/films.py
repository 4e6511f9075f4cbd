"""Small films without torch: stories built in code, and a generator that computes shots from seed, caption and memory.

`NumpyMaker` is a second, real implementation of `Maker`: what it makes depends on everything that a model's shots
depend on, and on nothing else. Shape letters: F memory frames, C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from onestory_cli.checkpoint import Partial
from onestory_cli.events import Emit, Remembered, StepDone, ignore
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.policies import FrameRef, SelectedFrame, choose
from onestory_cli.models.spec import ModelFiles, ModelSpec
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.store.disk import Disk
from onestory_cli.store.run import Run
from onestory_cli.story.types import Shot, Story

SPEC = ModelSpec(
    name="numbers",
    files=ModelFiles(base="/models/numbers", adapter="/models/numbers/adapter"),
    licence="none",
    about="arithmetic",
    width=32,
    height=32,
    size_multiple=16,
    fps=8,
    frames=5,
    max_frames=17,
    latent_channels=4,
    steps=3,
    guidance=4.0,
    scheduler="euler",
    shift=3.0,
    memory_frames=2,
    budget=1.0,
)
FINGERPRINT = "0123456789abcdef"


def shot(id: str, caption: str | None = None, **fields: Any) -> Shot:
    caption = caption or f"a wide shot of {id}"
    return Shot(id=id, caption=caption, resolved_caption=caption, **fields)


def story_of(*shots: Shot, folder: Path = Path(), **fields: Any) -> Story:
    source = "\n".join(f"{item.id}: {item.caption}" for item in shots).encode()
    settings: dict[str, Any] = {"title": "Numbers", "model": "numbers", "seed": 7, **fields}
    return Story(path=str(folder / "film.story.yaml"), source=source, shots=shots, **settings)


def plan_of(*shots: Shot, spec: ModelSpec = SPEC, **fields: Any) -> Plan:
    plan, _ = make_plan(story_of(*shots, **fields), spec, model_fingerprint=FINGERPRINT)
    return plan


def three_shots() -> Plan:
    return plan_of(shot("opening"), shot("city"), shot("return"))


@dataclass(frozen=True, kw_only=True)
class NumberSelection:
    selection: Sequence[SelectedFrame]
    scores: Mapping[str, Sequence[float]]

    @property
    def context_tokens(self) -> int:
        return sum(frame.tokens for frame in self.selection)


@dataclass(frozen=True, kw_only=True)
class NumberShot(NumberSelection):
    latents_CTHW: np.ndarray
    pixels_PHWC: np.ndarray
    noise_tokens: int
    seconds: Mapping[str, float]

    def decode(self) -> np.ndarray:
        return self.pixels_PHWC


class NumpyGenerator:
    """Adds the mean of the selected frames to noise. `made` and `recalled` list shots in call order."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.spec = spec
        self.made: list[str] = []
        self.recalled: list[str] = []

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        stride = self.spec.spatial_stride
        grey_HW = pixels_HWC.mean(axis=2)[::stride, ::stride] / 255
        return np.broadcast_to(grey_HW, (self.spec.latent_channels, 1, *grey_HW.shape)).astype(np.float32)

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        stride = self.spec.temporal_stride
        return np.concatenate([self.encode_reference(pixels) for pixels in pixels_PHWC[::stride]], axis=1)

    def generate(self, request: ShotRequest) -> NumberShot:
        job, memory, image = request.job, request.memory, request.image
        emit, checkpoint = request.emit, request.checkpoint
        scores, chosen = self._select(job, memory)
        frames = tuple((frame.source, frame.index) for frame in chosen)
        emit(Remembered(shot=job.shot, frames=frames, tokens=0, visible=sum(map(len, scores.values()))))
        shape = (
            self.spec.latent_channels,
            self.spec.latent_frames(job.frames),
            *self.spec.latent_size(job.width, job.height),
        )
        latents = np.random.default_rng([job.seed, _number(job.caption)]).normal(size=shape)
        for frame in chosen:
            latents += memory[frame.source][:, frame.index, None] * frame.tokens / 10
        if image is not None:
            latents += image.mean() / 255
        identity, done = hashlib.sha256(latents.tobytes()).hexdigest(), 0
        if partial := checkpoint.load(identity):
            latents, done = partial.arrays["latents"], partial.step
        for step in range(done + 1, job.steps + 1):
            latents = np.tanh(latents) * job.guidance
            emit(StepDone(shot=job.shot, step=step, steps=job.steps, seconds=0.0))
            if checkpoint.due():
                arrays = {"latents": latents}
                checkpoint.keep(Partial(identity=identity, step=step, steps=job.steps, arrays=arrays))
        self.made.append(job.shot)
        return NumberShot(
            latents_CTHW=latents.astype(np.float32),
            pixels_PHWC=_pixels(latents, job),
            selection=chosen,
            scores=scores,
            noise_tokens=job.tokens.noise,
            seconds={"denoise": 0.25},
        )

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> NumberSelection:
        self.recalled.append(job.shot)
        scores, chosen = self._select(job, memory)
        return NumberSelection(selection=chosen, scores=scores)

    def environment(self) -> Mapping[str, Any]:
        return {"device": "cpu", "numpy": np.__version__}

    def _select(
        self, job: ShotJob, memory: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, tuple[float, ...]], list[SelectedFrame]]:
        scores = self._scores(job, memory)
        refs = [FrameRef(source, index) for source, row in scores.items() for index in range(len(row))]
        values = [score for row in scores.values() for score in row]
        height, width = self.spec.latent_size(job.width, job.height)
        table = partial(allocate, budget=job.memory.budget, height=height, width=width)
        shown = [item.sources for item in job.memory.shown]
        chosen = choose(job.memory.policy, values, refs, len(table(job.memory.frames)), shown)
        levels = table(len(chosen))
        return scores, [
            SelectedFrame(
                source=refs[place].source,
                digest="",
                index=refs[place].index,
                score=values[place],
                level=level.name,
                tokens=level.tokens(height, width),
            )
            for place, level in zip(chosen, levels, strict=True)
        ]

    def _scores(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> dict[str, tuple[float, ...]]:
        taste = _number(job.caption) % 100 / 100
        return {
            source: tuple(float(-abs(value - taste)) for value in latents.mean(axis=(0, 2, 3)))
            for source, latents in memory.items()
        }


class NamingGenerator(NumpyGenerator):
    """Remembers the frames of the shots that a caption names with `as in`, regardless of their content."""

    def _scores(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> dict[str, tuple[float, ...]]:
        named = job.caption.partition(" as in ")[2].split()
        return {
            source: tuple(10.0 * (source in named) + index / 10 for index in range(latents.shape[1]))
            for source, latents in memory.items()
        }


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _pixels(latents_CTHW: np.ndarray, job: ShotJob) -> np.ndarray:
    grey_THW = (np.tanh(latents_CTHW.mean(axis=0)) + 1) * 127
    places = np.linspace(0, len(grey_THW) - 1, job.frames)  # without jumps, which a check would report
    earlier, rest = np.floor(places).astype(int), (places % 1)[:, None, None]
    blended_PHW = grey_THW[earlier] * (1 - rest) + grey_THW[np.ceil(places).astype(int)] * rest
    grey_PHW = (
        blended_PHW.astype(np.uint8)
        .repeat(job.height // grey_THW.shape[1], 1)
        .repeat(job.width // grey_THW.shape[2], 2)
    )
    return np.repeat(grey_PHW[..., None], 3, axis=3)


def render_with(
    plan: Plan,
    path: Path,
    emit: Emit = ignore,
    *,
    disk: Disk | None = None,
    generator: NumpyGenerator | None = None,
    **options: Any,
) -> NumpyGenerator:
    """Render into `path` and return the generator; its `made` lists the generated shots."""
    generator = generator or NumpyGenerator(plan.model)
    render(plan, Run.create(path, disk), lambda: generator, emit, RenderOptions(**options))
    return generator


def latents_of(path: Path) -> dict[str, str]:
    """Shot -> digest of the latents of its accepted take."""
    run = Run.open(path)
    state, takes_by_shot = run.state(), run.takes_by_shot()
    assert state is not None
    takes = {f"{take.shot}/{take.id}": take for shot_takes in takes_by_shot.values() for take in shot_takes.takes}
    return {name: takes[entry.folder].digest for name, entry in state.shots.items()}


def change(plan: Plan, id: str, **fields: Any) -> Plan:
    """The plan of the same story with fields of one shot replaced."""
    shots = tuple(replace(item, **fields) if item.id == id else item for item in plan.story.shots)
    changed, _ = make_plan(replace(plan.story, shots=shots), plan.model, model_fingerprint=plan.model_fingerprint)
    return changed
