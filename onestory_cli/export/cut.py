"""A film as a cut: consecutive shots, each with its accepted and other takes.

Starts and lengths are in frames of the film. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.rendering.join import PlacedSound
from onestory_cli.store.disk import has_digest
from onestory_cli.store.inputs import story_of
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState
from onestory_cli.store.take_query import PartialFilm, accepted_takes
from onestory_cli.store.takes import Take, read_shot_takes
from onestory_cli.story.types import Shot, Story
from onestory_cli.utils.text import shell_quote


@dataclass(frozen=True, kw_only=True)
class CutShot:
    """One shot, from frame `start` of the film. `caption` is the resolved caption of its take."""

    id: str
    number: int
    start: int
    subtitle: str
    take: Take
    others: tuple[Take, ...] = ()

    @property
    def caption(self) -> str:
        return str(self.take.record.spec["caption"])

    @property
    def frames(self) -> int:
        return frames_of(self.take)

    @property
    def end(self) -> int:
        return self.start + self.frames

    @property
    def takes(self) -> tuple[Take, ...]:
        """All takes, the accepted one first."""
        return (self.take, *self.others)


@dataclass(frozen=True, kw_only=True)
class Cut(PartialFilm):
    """All shots with a take, in film order. `width` and `height` of the clips are in pixels.

    `sounds` are the audible ones. `film` is film.mp4 if it is intact and made of these takes, else None.
    """

    title: str
    fps: int
    width: int
    height: int
    shots: tuple[CutShot, ...]
    film: Path | None = None
    sounds: tuple[PlacedSound, ...] = ()

    @property
    def frames(self) -> int:
        return self.shots[-1].end

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.frames, self.fps)


def read_cut(run: Run) -> Cut:
    """Read the cut of a run and verify the checksums of its takes.

    Raises:
        OnestoryError: R402 for a run without a story, R414 for one without shots, M507 for shots of different sizes or
            rates.
    """
    state = run.state()
    if state is None:
        help = "run `onestory render STORY` first"
        raise OnestoryError("R402", f'"{run.path}" is not a run directory', help=help, exit=ExitCode.USAGE)
    story = story_of(run, state)
    found = accepted_takes(run.path, state, [shot.id for shot in story.shots])
    shots = tuple(_shots(story.shots, found.takes))
    if not shots:
        help = f"onestory resume {shell_quote(run.path)}"
        raise OnestoryError("R414", f'"{run.path}" has no rendered shots', help=help)
    fps, width, height = _layout(shots)
    return Cut(
        run=run.path,
        title=story.title or run.path.name,
        fps=fps,
        width=width,
        height=height,
        shots=shots,
        left_out=found.left_out,
        film=run.film if state.film and has_digest(run.film, state.film.sha256) else None,
        sounds=tuple(_sounds(run, state, story, shots, fps)),
    )


def frames_of(take: Take) -> int:
    """Number of pixel frames of a take."""
    return take.record.clip_size[0]


def _shots(shots: tuple[Shot, ...], takes: Mapping[str, Take]) -> Iterator[CutShot]:
    start = 0
    for number, shot in enumerate(shots, start=1):
        take = takes.get(shot.id)
        if take is None:
            continue
        others = tuple(other for other in read_shot_takes(take.folder.parent).takes if other.folder != take.folder)
        made = CutShot(id=shot.id, number=number, start=start, subtitle=shot.subtitle, take=take, others=others)
        yield made
        start = made.end


def _sounds(run: Run, state: RunState, story: Story, shots: tuple[CutShot, ...], fps: int) -> Iterator[PlacedSound]:
    """The sound of the film, then those of its shots, without sounds that start after their end."""
    audio = {shot.id: shot.audio for shot in story.shots}
    parts = [(story.audio, 0, shots[-1].end), *((audio[shot.id], shot.start, shot.end) for shot in shots)]
    for sound, start, end in parts:
        if sound is None:
            continue
        path = run.input_file(sound.file, state.inputs[sound.file])
        placed = PlacedSound(path=path, audio=sound, start=Fraction(start, fps), end=Fraction(end, fps))
        if placed.begin < placed.end:
            yield placed


def _layout(shots: tuple[CutShot, ...]) -> tuple[int, int, int]:
    """Rate, width and height of all clips."""
    found = {shot.id: _layout_of(shot.take) for shot in shots}
    if len(set(found.values())) > 1:
        sizes = "; ".join(f'"{id}" is {width}x{height} at {fps} fps' for id, (fps, width, height) in found.items())
        help = "give all shots the same width, height and fps, then rerender them"
        raise OnestoryError("M507", f"the clips cannot be joined into one film: {sizes}", help=help)
    return found[shots[0].id]


def _layout_of(take: Take) -> tuple[int, int, int]:
    spec, clip = take.record.spec, take.record.clip
    scale = int(clip["scale"] or 1)
    return int(clip["fps"] or 1), int(spec["width"] or 0) * scale, int(spec["height"] or 0) * scale
