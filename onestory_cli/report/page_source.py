"""What a page needs beyond its film: where its clips are, and the state of a review."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from onestory_cli.store.notes import TakeNote
from onestory_cli.store.takes import Take


@dataclass(frozen=True, kw_only=True)
class ReviewState:
    """What the page of `onestory review` shows beyond a report.

    `version` is that of the snapshot. `captions` are the captions of the story file by shot, empty if it cannot be
    edited. `fits` are the paths of takes that may be accepted. `stale` maps shots that the next render would change to
    the reason. `waiting` are shots with `accept: ask` that have no accepted take. `problems` says what is wrong with
    the story.
    """

    version: int = 0
    read_only: bool = False
    captions: Mapping[str, str] = field(default_factory=dict)
    fits: frozenset[str] = frozenset()
    stale: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PageSource:
    """Where a page finds its clips: `clip` gives the address of a take's clip, `film` is that of the joined film.

    `media` is the part of the Content Security Policy for videos. `notes` are by the path of their take.
    """

    clip: Callable[[Take], str]
    film: str
    media: str
    notes: Mapping[str, TakeNote] = field(default_factory=dict)
    review: ReviewState | None = None


def video_address(link_from: Path | None) -> Callable[[Path], str]:
    """A function that gives the address of a video: its content, or a link relative to the folder `link_from`."""

    def address(file: Path) -> str:
        if link_from is None:
            return "data:video/mp4;base64," + base64.b64encode(file.read_bytes()).decode()
        return quote(Path(os.path.relpath(file.absolute(), link_from.absolute())).as_posix())

    return address


def media_source(link_from: Path | None) -> str:
    """The part of a Content Security Policy for the addresses of `video_address`."""
    return "data:" if link_from is None else "'self' file:"
