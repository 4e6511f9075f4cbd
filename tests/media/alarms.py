"""``python -m tests.media.alarms [--stories N] [RUN ...]``: false alarms and detection rate of the checks of a take.

It measures true clips of the storyworld, which have no faults; the same clips with a fault inserted into each; and the
clips of run directories, which must be reviewed manually. Colours are compared between all shots of one place,
regardless of the memory's selection.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onestory_cli.media.clip_faults import measure
from onestory_cli.media.colour import Pixels, colours
from onestory_cli.quality import CUT, FLASH, FROZEN, RULES, SHIFT, faults, judge
from onestory_cli.store.run import Run
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import WorldConfig, WorldPlace

LATENT_FRAMES = 5
MIDDLE = 8  # of 17 frames


@dataclass(frozen=True, kw_only=True)
class TrueClip:
    """A correct shot, with its story and place."""

    story: int
    place: WorldPlace
    actors: int
    pixels_PHWC: Pixels


def storyworld_clips(*, stories: int) -> Iterator[TrueClip]:
    """The six shots of each story."""
    config = WorldConfig()
    for seed in range(stories):
        for shot in make_story(seed, config).shots:
            pixels = render_shot(shot, config).pixels_THWC
            yield TrueClip(story=seed, place=shot.place, actors=len(shot.actors), pixels_PHWC=pixels)


def numbers_of(clips: Iterable[TrueClip]) -> Iterator[tuple[TrueClip, dict[str, float | None]]]:
    """Each clip with the values of its checks by name."""
    seen: dict[tuple[int, WorldPlace], np.ndarray] = {}
    for clip in clips:
        own = np.array(colours(clip.pixels_PHWC, LATENT_FRAMES))
        key = (clip.story, clip.place)
        shift = float(np.linalg.norm(seen[key] - own.mean(axis=0), axis=1).min()) if key in seen else None
        seen[key] = np.concatenate([seen.get(key, np.empty((0, 3))), own])
        yield clip, {**measure(clip.pixels_PHWC), SHIFT: shift}


def alarms(clips: Iterable[TrueClip]) -> Counter[str]:
    """The number of clips, and the number that each check calls bad."""
    found: Counter[str] = Counter()
    for clip, numbers in numbers_of(clips):
        if not clip.actors:
            found["still empty places, not judged"] += judge(FROZEN, numbers[FROZEN]).bad
            numbers[FROZEN] = None
        found.update(check.name for check in faults(judge(name, numbers[name]) for name in RULES))
        found["clips"] += 1
        found["clips of a place seen before"] += numbers[SHIFT] is not None
    return found


def worst(clips: Iterable[TrueClip]) -> dict[str, float]:
    """The value of each check that is closest to its limit; for frozen, only clips with visible characters."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for clip, numbers in numbers_of(clips):
        for name, value in numbers.items():
            if value is not None and (name != FROZEN or clip.actors):
                values[name].append(value)
    return {name: (min if RULES[name].below else max)(found) for name, found in values.items()}


def found_faults(clips: Iterable[TrueClip]) -> Counter[str]:
    """The number of clips, and the number with an inserted fault that is found."""
    found: Counter[str] = Counter()
    all_PHWC = [clip.pixels_PHWC for clip in clips]
    for index, clip_PHWC in enumerate(all_PHWC):
        found["clips"] += 1
        other_PHWC = all_PHWC[(index + 7) % len(all_PHWC)]
        found[CUT] += _bad(np.concatenate([clip_PHWC[:MIDDLE], other_PHWC[MIDDLE:]]), CUT)
        levels = clip_PHWC[MIDDLE].astype(np.int16)
        frames = {
            "bright flash": levels + 50,
            "dark flash": levels - 50,
            "flash of another picture": other_PHWC[MIDDLE],
        }
        for name, frame_HWC in frames.items():
            spoilt_PHWC = clip_PHWC.copy()
            spoilt_PHWC[MIDDLE] = frame_HWC.clip(0, 255)
            found[name] += _bad(spoilt_PHWC, FLASH)
    return found


def _bad(pixels_PHWC: Pixels, name: str) -> bool:
    return judge(name, measure(pixels_PHWC)[name]).bad


def write_line(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    """Print the figures."""
    parser = ArgumentParser(prog="python -m tests.media.alarms")
    parser.add_argument("runs", metavar="RUN", nargs="*", type=Path, help="a run directory, whose faults are counted")
    parser.add_argument("--stories", metavar="N", type=int, default=9, help="of six shots each; else 9")
    options = parser.parse_args()
    clips = list(storyworld_clips(stories=options.stories))
    found, nearest = alarms(clips), worst(clips)
    write_line("false alarms: " + ", ".join(f"{name} {found[name]}" for name in RULES))
    write_line(", ".join(f"{name}: {count}" for name, count in found.items() if name not in RULES))
    write_line(
        "nearest to a limit: " + ", ".join(f"{name} {nearest[name]:.4g} of {RULES[name].limit:.4g}" for name in RULES)
    )
    write_line("found: " + ", ".join(f"{name} {count}" for name, count in found_faults(clips).items()))
    for run in options.runs:
        takes = [take for shot_takes in Run.open(run).takes_by_shot().values() for take in shot_takes.takes]
        bad = [f"{take.shot} {check}" for take in takes for check in faults(take.record.checks)]
        write_line(f"{run}: {len(bad)} faults in {len(takes)} takes: {', '.join(bad) or 'none'}")


if __name__ == "__main__":
    main()
