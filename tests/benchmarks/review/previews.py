"""The share of the processor time of a render that its live previews take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from torch import Tensor

from onestory_cli.generation import shot
from onestory_cli.generation.preview import StepPreview
from onestory_cli.planning.compile import compile_story
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.report.gallery import webp_address
from onestory_cli.store.run import Run
from tests.benchmarks.review.figure import Figure
from tests.benchmarks.review.films import story_text

STORY = story_text("Previews", 3, "seed: 3, frames: 17, steps: 60")


class TimedPreview(StepPreview):
    """A preview that adds up its processor time."""

    seconds = 0.0

    def __call__(self, step: int, estimate: Callable[[], Tensor]) -> None:
        began = time.thread_time()
        super().__call__(step, estimate)
        TimedPreview.seconds += time.thread_time() - began


def previews(folder: Path) -> list[Figure]:
    """Render three long shots; the pictures are encoded as for the page."""
    with tempfile.TemporaryDirectory() as place:
        story = Path(place) / "previews.story.yaml"
        story.write_text(STORY)
        plan, _ = compile_story(story)
        generator = generator_loader(plan, "cpu", lambda event: None)()
        shown: list[str] = []
        with mock.patch.object(shot, "StepPreview", TimedPreview):
            began = time.process_time()
            options = RenderOptions(preview=lambda shot, step, steps, pixels: shown.append(webp_address(pixels)))
            render(plan, Run.create(Path(place) / "film.run"), lambda: generator, lambda event: None, options)
            spent = time.process_time() - began
    about = f"{len(shown) - len(plan.jobs)} previews of {len(plan.jobs)} shots in {spent:.0f} s"
    share = 100 * TimedPreview.seconds / spent
    return [Figure(name="previews, of the processor time of a render", value=share, unit="%", goal=2.0, about=about)]
