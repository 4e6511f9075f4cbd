"""Measure what onestory adds to the time of a ComfyUI server: `python -m tests.benchmarks.workflow`.

A server on this machine takes a fixed time per prompt and delivers a video that was encoded before. What a film takes
beyond the time of its prompts is overhead: pictures, requests, decoding, checks, encoding, the disk and the join. Peak
memory is that of the process that renders.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onestory_cli.media.video import write_clip
from tests.external.server import CARD, WORKFLOW, FakeComfyUi

FPS = 16
GRAIN = 3  # levels; a clip without grain is too easy to encode
CELLS = 12  # of the random colours that move across the picture
STORY = """\
story: 1
title: Overhead
model: {{workflow: shots.json, server: "{server}"}}
defaults: {{frames: {frames}, size: {width}x{height}}}
shots:
"""


@dataclass(frozen=True, kw_only=True)
class Film:
    """The film to measure: shots of `frames` frames, and the time of the server for each."""

    shots: int
    frames: int
    width: int
    height: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A rendered film: wall time of the process and of its render alone, in seconds, and peak memory in bytes."""

    film: Film
    process: float
    render: float
    memory: int

    @property
    def overhead(self) -> float:
        """Seconds per shot beyond the server's own time, from the start of the render to the finished film."""
        return self.render / self.film.shots - self.film.seconds

    @property
    def ratio(self) -> float:
        return self.overhead / self.film.seconds if self.film.seconds else 0.0


class VideoServer(FakeComfyUi):
    """Runs prompts one after another, each in the same time, and answers each with the same video."""

    def __init__(self, seconds: float, video: bytes) -> None:
        super().__init__()
        self.seconds = seconds
        self.pictures["film.mp4"] = video

    def _run(self, id: str) -> dict[str, Any]:
        files = [{"filename": "film.mp4", "subfolder": "", "type": "output"}]
        return {"outputs": {"7": {"images": files}}, "status": {"status_str": "success", "completed": True}}


def measure(film: Film, *, place: Path | None = None) -> Measured:
    """Render a film with the command line in a process of its own; its files go to a new folder in `place`."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        write_clip(folder / "result.mp4", moving_colours(film), fps=FPS)
        with served(film.seconds, folder / "result.mp4") as address:
            return _rendered(film, write_story(film, folder, address))


def moving_colours(film: Film) -> np.ndarray:
    """Smooth colours that move, with grain: (P, H, W, 3) uint8."""
    random = np.random.default_rng(7)
    cells = random.integers(30, 220, (CELLS, CELLS, 3), np.uint8)
    large = np.asarray(Image.fromarray(cells).resize((film.width, film.height), Image.Resampling.BICUBIC))
    grain = random.integers(0, GRAIN, (film.height, film.width, 3), np.uint8)
    return np.stack(
        [np.roll(large, 2 * place, axis=1) + np.roll(grain, 7 * place, axis=0) for place in range(film.frames)]
    )


@contextmanager
def served(seconds: float, video: Path) -> Iterator[str]:
    """The address of a `VideoServer` in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(seconds, video, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(seconds: float, video: Path, pipe: Connection) -> None:
    server = VideoServer(seconds, video.read_bytes())
    pipe.send(server.address)
    server.serve_forever()


def write_story(film: Film, folder: Path, address: str) -> Path:
    """Write the story and the workflow of a film. Each shot remembers two pictures of the latest shots."""
    (folder / "shots.json").write_text(json.dumps(WORKFLOW))
    (folder / "shots.onestory.json").write_text(json.dumps({**CARD, "fps": FPS, "max_frames": film.frames}))
    head = STORY.format(server=address, frames=film.frames, width=film.width, height=film.height)
    shots = (f"  - {{id: shot-{number}, caption: Picture {number}.}}\n" for number in range(1, film.shots + 1))
    path = folder / "film.story.yaml"
    path.write_text(head + "".join(shots))
    return path


def _rendered(film: Film, story: Path) -> Measured:
    command = [sys.executable, "-m", "onestory_cli", "render", str(story), "--json"]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    process = time.perf_counter() - began
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (render,) = (event["seconds"] for event in events if event.get("event") == "RunFinished")
    memory = max(event["memory_bytes"] for event in events if event.get("event") == "TakeCommitted")
    return Measured(film=film, process=process, render=render, memory=memory)


def report(found: Measured) -> str:
    """A table of one row."""
    film = found.film
    head = "| shots | frames | size | server, s a shot | overhead, s a shot | ratio | start, s | peak memory, MB |"
    row = (
        f"| {film.shots} | {film.frames} | {film.width}x{film.height} | {film.seconds:g} | {found.overhead:.2f} "
        f"| {found.ratio:.1%} | {found.process - found.render:.1f} | {found.memory / 1e6:.0f} |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", row, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.workflow", description=__doc__)
    parser.add_argument("--shots", type=int, default=6)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--size", type=int, nargs=2, default=(832, 480), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seconds", type=float, default=5.0, help="time of the server per shot")
    parser.add_argument("--place", type=Path, help="folder on the disk to measure (default: temporary files)")
    options = parser.parse_args(arguments)
    width, height = options.size
    film = Film(shots=options.shots, frames=options.frames, width=width, height=height, seconds=options.seconds)
    sys.stdout.write(report(measure(film, place=options.place)))


if __name__ == "__main__":
    main()
