"""The films to measure, rendered once by the embedded model and kept in a folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import environment_with

HEAD = """\
story: 1
title: {title}
model: storyworld
defaults: {{{defaults}}}
characters:
  fox: {{look: a red fox with a blue scarf}}
  robot: {{look: a yellow robot with a green hat}}
  rabbit: {{look: a purple rabbit}}
settings:
  beach: {{look: a beach}}
  desert: {{look: a desert}}
  kitchen: {{look: a kitchen}}
  moon: {{look: a moon}}
shots:
"""
CAST, PLACES = ("fox", "robot", "rabbit"), ("beach", "desert", "kitchen", "moon")
ACTIONS = ("walks right", "waves", "stands", "jumps")


def story_text(title: str, shots: int, defaults: str = "seed: 3") -> str:
    """A story of scenes of five shots in four places; characters return after a while."""
    items = [
        f"  - {{id: shot-{n}, caption: Wide shot. ${CAST[n // 7 % 3]} {ACTIONS[n % 4]} on ${PLACES[n // 5 % 4]}.}}"
        for n in range(shots)
    ]
    return HEAD.format(title=title, defaults=defaults) + "\n".join(items) + "\n"


def film_of_takes(folder: Path) -> Path:
    """The run of a film of ten shots with three takes each."""
    return _rendered(folder / "takes.story.yaml", story_text("Ten Shots", 10), "--takes", "3")


def long_film(folder: Path) -> Path:
    """The run of a film of 300 short shots."""
    return _rendered(folder / "long.story.yaml", story_text("A Long Film", 300, "seed: 3, frames: 5, steps: 4"))


def _rendered(story: Path, text: str, *options: str) -> Path:
    """Render a story; what an earlier call rendered is kept."""
    story.parent.mkdir(parents=True, exist_ok=True)
    story.write_text(text)
    onestory("render", str(story), *options)
    return story.with_name(f"{story.name.removesuffix('.story.yaml')}.run")


def onestory(*arguments: str) -> None:
    """Run a command.

    Raises:
        CalledProcessError: it failed; its messages are in `stderr`.
    """
    command = [sys.executable, "-m", "onestory_cli", *arguments]
    environment = environment_with(OMP_NUM_THREADS="1")
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


@contextmanager
def server(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves a page, and the address that it printed."""
    command = [sys.executable, "-m", "onestory_cli", *arguments]
    environment, pipe = environment_with(OMP_NUM_THREADS="1"), subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address, process.stderr and process.stderr.read()
        yield process, address
    finally:
        process.terminate()
        process.wait(timeout=30)
