"""``python -m tests.media.alarms [RUN ...]``: how often the checks of a take raise a false alarm.

The clips are those of the storyworld's true renderer, which have no fault; then those of run directories, which
somebody has to look at. Colours are compared between shots of one place, whatever a selection would take.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onestory_cli.checks import FROZEN, RULES, SHIFT, faults, judge
from onestory_cli.media.faults import Pixels, colours, measure
from onestory_cli.store.run import Run
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import Place, WorldConfig

LATENT_FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class TrueClip:
    """One shot as it should be, of a story and a place."""

    story: int
    place: Place
    actors: int
    pixels_PHWC: Pixels


def storyworld_clips(*, stories: int) -> Iterator[TrueClip]:
    """Six shots of each story."""
    config = WorldConfig()
    for seed in range(stories):
        for shot in make_story(seed, config).shots:
            pixels = render_shot(shot, config).pixels_THWC
            yield TrueClip(story=seed, place=shot.place, actors=len(shot.actors), pixels_PHWC=pixels)


def alarms(clips: Iterable[TrueClip]) -> Counter[str]:
    """How many clips there are, and how many of them each check calls bad."""
    found: Counter[str] = Counter()
    seen: dict[tuple[int, Place], np.ndarray] = {}
    for clip in clips:
        own = np.array(colours(clip.pixels_PHWC, LATENT_FRAMES))
        numbers: dict[str, float | None] = {**measure(clip.pixels_PHWC)}
        key = (clip.story, clip.place)
        numbers[SHIFT] = float(np.linalg.norm(seen[key] - own.mean(axis=0), axis=1).min()) if key in seen else None
        seen[key] = np.concatenate([seen.get(key, np.empty((0, 3))), own])
        if not clip.actors:
            found["empty places that stand still, not judged"] += judge(FROZEN, numbers[FROZEN]).bad
            numbers[FROZEN] = None
        found.update(check.name for check in faults(judge(name, numbers[name]) for name in RULES))
        found["clips"] += 1
        found["clips of a place seen before"] += key in seen and numbers[SHIFT] is not None
    return found


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    """Print the figures."""
    found = alarms(storyworld_clips(stories=9))
    say(", ".join(f"{name}: {found[name]}" for name in (*RULES, *(name for name in found if name not in RULES))))
    for run in map(Path, sys.argv[1:]):
        takes = [take for shelf in Run.open(run).shelves().values() for take in shelf.takes]
        bad = [f"{take.shot} {check}" for take in takes for check in faults(take.record.checks)]
        say(f"{run}: {len(bad)} faults in {len(takes)} takes: {', '.join(bad) or 'none'}")


if __name__ == "__main__":
    main()
