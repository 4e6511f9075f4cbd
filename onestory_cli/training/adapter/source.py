"""Sources of training shots: a manifest of videos, or the storyworld. No torch here.

Both provide captions, pixels and, if stated, the relevance.

Shape letters: P pixel frames, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.errors import Diagnostic, Findings, OnestoryError
from onestory_cli.events import Emit, Warned
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story, relevance
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig, WorldStory
from onestory_cli.training.adapter.clips import SLACK, read_window
from onestory_cli.training.adapter.manifest import ManifestShot, ManifestVideo, read_manifest
from onestory_cli.training.adapter.recipe import AdapterData, WorldShots
from onestory_cli.utils.digests import DigestCache

Place = tuple[int, int]  # (video, shot)
Clip = tuple[int, int, int]  # (video, shot, window)


@dataclass(frozen=True, kw_only=True)
class VideoFormat:
    """Size, lengths and frame rate of all shots of a training.

    `frames` is the length of a film's shots. Each shot of a manifest has the largest length of `buckets`, or of
    `frames` if there are none, that it is long enough for. Of a longer shot, up to `windows` parts are read.
    """

    width: int
    height: int
    frames: int
    fps: int
    buckets: tuple[int, ...] = ()
    windows: int = 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """The numbers of frames that shots can have, the smallest first."""
        return tuple(sorted(self.buckets)) or (self.frames,)

    def length_of(self, shot: ManifestShot) -> int:
        """The number of frames of a shot, 0 for a shot that is too short."""
        return max((count for count in self.lengths if count / self.fps <= shot.seconds + SLACK), default=0)


@dataclass(frozen=True, kw_only=True)
class SourceShot:
    """One shot: its caption and the relevance of each earlier shot of its video (None: to be measured).

    `identity` is everything except the format that its pixels depend on. `windows` parts of `frames` frames are read.
    """

    caption: str
    relevance: tuple[float, ...] | None
    identity: tuple[Any, ...]
    frames: int
    windows: int = 1


class ShotSource(Protocol):
    """Shots of videos, in order; every video has at least two shots."""

    @property
    def videos(self) -> tuple[tuple[SourceShot, ...], ...]: ...

    def pixels(self, video: int, shot: int, window: int = 0) -> NDArray[np.uint8]:
        """The frames (P, H, W, 3) of a window of a shot; window 0 is its middle."""


def shot_at(source: ShotSource, place: Place | Clip) -> SourceShot:
    """The shot at a place."""
    return source.videos[place[0]][place[1]]


def places_of(source: ShotSource) -> list[Place]:
    """All shots."""
    return [(video, shot) for video, shots in enumerate(source.videos) for shot in range(len(shots))]


def clips_of(source: ShotSource) -> list[Clip]:
    """All windows of all shots."""
    return [(*place, window) for place in places_of(source) for window in range(shot_at(source, place).windows)]


def captions_of(source: ShotSource) -> list[str]:
    """All distinct captions and the empty one."""
    return list(dict.fromkeys(["", *(shot.caption for shots in source.videos for shot in shots)]))


def open_source(data: AdapterData, format: VideoFormat, *, relative_to: Path, cache: Path, emit: Emit) -> ShotSource:
    """Open the source that a recipe names; paths are relative to the folder `relative_to`.

    Raises:
        OnestoryError: T601 if the storyworld cannot draw the format, T602 for an invalid manifest, T603 for missing
            videos or shots that are too short.
    """
    if data.storyworld:
        return WorldSource(data.storyworld, format)
    assert data.manifest is not None
    videos = read_manifest(relative_to / data.manifest)
    if missing := [video for video in videos if not video.path.is_file()]:
        raise Findings(tuple(_not_there(video) for video in missing[:200]))
    return ManifestSource(_long_enough(videos, format, data.short, emit), format, cache / "digests.json")


def _not_there(video: ManifestVideo) -> Diagnostic:
    help = "paths are relative to the manifest"
    return Diagnostic(code="T603", message=f'no video "{video.path}"', place=video.place, help=help)


def _changed(video: ManifestVideo) -> Diagnostic:
    help = "curate the set again, or restore the file"
    return Diagnostic(
        code="T603", message=f'"{video.path}" has changed since the set was made', place=video.place, help=help
    )


def _digest_of(video: ManifestVideo, cache: DigestCache) -> str:
    try:
        return cache.digest(video.path)
    except (OSError, ValueError) as fault:
        message = f'cannot read "{video.path}": {getattr(fault, "strerror", None) or fault}'
        finding = Diagnostic(code="T603", message=message, place=video.place, help="check the file, or remove the line")
        raise Findings((finding,)) from fault


def _long_enough(
    videos: tuple[ManifestVideo, ...], format: VideoFormat, short: str, emit: Emit
) -> tuple[ManifestVideo, ...]:
    """The videos; shots that are too short are removed if the recipe says `short: drop`."""
    least = format.lengths[0]
    total = sum(len(video.shots) for video in videos)
    brief = [(video, shot) for video in videos for shot in video.shots if not format.length_of(shot)]
    if brief and short == "refuse":
        message = f"the shot from {{0:g}} s to {{1:g}} s is shorter than {least} frames at {format.fps} per second"
        help = "use fewer `frames` or smaller `buckets`, or `data: {short: drop}` to leave short shots out"
        raise Findings(
            tuple(
                Diagnostic(code="T603", message=message.format(shot.start, shot.end), place=video.place, help=help)
                for video, shot in brief[:200]
            )
        )
    kept = [_only(video, [format.length_of(shot) > 0 for shot in video.shots]) for video in videos]
    usable = tuple(video for video in kept if len(video.shots) > 1)
    left = sum(len(video.shots) for video in usable)
    if len(usable) < 2:
        message = f"{len(usable)} of {len(videos)} videos have two shots of {least} frames; at least 2 are needed"
        raise OnestoryError("T603", message, help="use fewer `frames` or smaller `buckets`, or more videos")
    if left < total:
        message = f"{total - left} of {total} shots are left out: too short, or alone in their video"
        emit(Warned(code="W330", message=message))
    return usable


def _only(video: ManifestVideo, keep: list[bool]) -> ManifestVideo:
    """The video with only some of its shots, and their relevance for each other."""
    shots = [
        replace(shot, relevance=tuple(value for value, kept in zip(shot.relevance, keep, strict=False) if kept))
        if shot.relevance is not None
        else shot
        for shot in video.shots
    ]
    return replace(video, shots=tuple(shot for shot, kept in zip(shots, keep, strict=True) if kept))


@dataclass(frozen=True)
class ManifestSource:
    """Shots of video files. Each file is hashed once; the digests are stored in `digests`."""

    entries: tuple[ManifestVideo, ...]
    format: VideoFormat
    digests: Path

    @cached_property
    def videos(self) -> tuple[tuple[SourceShot, ...], ...]:
        cache = DigestCache(self.digests)
        found = [(entry, _digest_of(entry, cache)) for entry in self.entries]
        cache.save()
        if changed := [entry for entry, digest in found if entry.digest not in ("", digest)]:
            raise Findings(tuple(map(_changed, changed[:200])))
        return tuple(
            tuple(
                SourceShot(
                    caption=shot.caption,
                    relevance=shot.relevance,
                    identity=_identity(entry, digest, shot),
                    frames=self.format.length_of(shot),
                    windows=self._windows(shot),
                )
                for shot in entry.shots
            )
            for entry, digest in found
        )

    def _windows(self, shot: ManifestShot) -> int:
        """One window where others would differ by less than a quarter of its length, which adds nothing."""
        seconds = self.format.length_of(shot) / self.format.fps
        return self.format.windows if shot.seconds >= 1.25 * seconds else 1

    def pixels(self, video: int, shot: int, window: int = 0) -> NDArray[np.uint8]:
        entry, format = self.entries[video], self.format
        part = entry.shots[shot]
        try:
            return read_window(
                entry.path,
                start=part.start,
                end=part.end,
                place=window_place(window),
                frames=format.length_of(part),
                fps=format.fps,
                size=(format.width, format.height),
                crop=entry.crop,
            )
        except OnestoryError as fault:
            raise OnestoryError(fault.code, fault.message, help=fault.help, place=entry.place) from fault


def window_place(window: int) -> float:
    """The place of a window in the free time of a shot, from 0 to 1: the middle, the quarters, the odd eighths, ...

    It does not depend on the number of windows, so a cache stays valid when the number grows.
    """
    place, part, number = 0.0, 0.5, window + 1
    while number:
        place += part * (number % 2)
        part, number = part / 2, number // 2
    return place


def _identity(entry: ManifestVideo, digest: str, shot: ManifestShot) -> tuple[Any, ...]:
    """Everything that the pixels of a shot depend on. `crop` is included only if it is set: older caches stay valid."""
    return (digest, shot.start, shot.end, *([entry.crop] if any(entry.crop) else []))


@dataclass(frozen=True)
class WorldSource:
    """Stories of the storyworld, rendered on demand."""

    shots: WorldShots
    format: VideoFormat
    config: WorldConfig = field(init=False)

    def __post_init__(self) -> None:
        size = self.format.width
        if size != self.format.height or self.shots.seed + self.shots.stories > HELD_OUT:
            message = f"the storyworld draws squares, not {size}x{self.format.height}, and seeds below {HELD_OUT}"
            raise OnestoryError("T601", message, help="give the recipe a `size` like [64, 64]")
        config = WorldConfig(size=size, frames=self.format.frames, fps=self.format.fps)
        object.__setattr__(self, "config", config)

    @cached_property
    def _stories(self) -> tuple[WorldStory, ...]:
        seeds = range(self.shots.seed, self.shots.seed + self.shots.stories)
        return tuple(make_story(seed, self.config, shots=self.shots.shots) for seed in seeds)

    @cached_property
    def videos(self) -> tuple[tuple[SourceShot, ...], ...]:
        return tuple(
            tuple(
                SourceShot(
                    caption=shot.caption,
                    relevance=relevance(story, index),
                    identity=("storyworld", story.seed, len(story.shots), index),
                    frames=self.format.frames,
                )
                for index, shot in enumerate(story.shots)
            )
            for story in self._stories
        )

    def pixels(self, video: int, shot: int, window: int = 0) -> NDArray[np.uint8]:
        return render_shot(self._stories[video].shots[shot], self.config).pixels_THWC
