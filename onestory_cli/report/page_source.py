"""What a page needs beyond its film: where its clips are, and the state of a review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from onestory_cli.store.notes import TakeNote
from onestory_cli.store.takes import Take


@dataclass(frozen=True, kw_only=True)
class ReviewState:
    """What the page of `onestory review` shows beyond a report.

    `captions` are the captions of the story file by shot, empty if it cannot be edited. `fits` are the paths of takes
    that may be accepted. `stale` maps shots that the next render would change to the reason. `waiting` are shots with
    `accept: ask` that have no accepted take. `problems` says what is wrong with the story.
    """

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
