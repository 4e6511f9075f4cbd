"""Captions from files: JSON, JSON lines, CSV and SRT. A caption belongs to the shot that contains most of its time.

JSON and JSON lines hold objects with `caption`, `start`, `end` (seconds) and, for several videos, `video` (a file
name); CSV has columns of the same names; an SRT file has the captions of one video, and a folder may hold a VIDEO.srt
for each.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onestory_cli.curation.captioners import ShotView
from onestory_cli.curation.errors import caption_fault
from onestory_cli.errors import ExitCode
from onestory_cli.utils.untrusted import read_text

MAX_BYTES = 32 * 2**20
_SRT_TIME = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->\s*(\d+):(\d\d):(\d\d)[,.](\d{1,3})")


@dataclass(frozen=True, kw_only=True)
class TimedCaption:
    """A caption of a part of a video; `video` is a file name, "" for any."""

    video: str
    start: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class FileCaptioner:
    """Captions that are there already; those of the second stage are the same."""

    identity: str
    captions: tuple[TimedCaption, ...]
    needs_frames: bool = False

    @classmethod
    def read(cls, path: Path) -> FileCaptioner:
        """Read a file of captions, or a folder of SRT files.

        Raises:
            OnestoryError: T654 for a file that cannot be read or holds no caption.
        """
        try:
            files = sorted(path.glob("*.srt")) if path.is_dir() else [path]
            texts = [(file, _text(file)) for file in files]
            captions = tuple(item for file, text in texts for item in _parse(file, text, single=not path.is_dir()))
        except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error, RecursionError) as fault:
            message = f"{path}: {getattr(fault, 'strerror', None) or fault}"
            raise caption_fault(
                message, "give JSON, JSON lines, CSV or SRT with start, end and caption", ExitCode.FINDINGS
            ) from fault
        if not captions:
            raise caption_fault(
                f"{path} holds no caption", "give start, end and caption of each shot", ExitCode.FINDINGS
            )
        digest = hashlib.sha256("".join(text for _, text in texts).encode("utf-8")).hexdigest()
        return cls(identity=f"file {digest}", captions=captions)

    def caption(self, view: ShotView) -> str:
        best, shared = "", 0.0
        for item in self.captions:
            common = min(view.end, item.end) - max(view.start, item.start)
            if item.video in ("", view.video.name, view.video.stem) and common > shared:
                best, shared = item.text, common
        return best

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        return caption


def _text(file: Path) -> str:
    return read_text(file, limit=MAX_BYTES)


def _parse(file: Path, text: str, *, single: bool) -> Iterator[TimedCaption]:
    kind = file.suffix.lower()
    if kind == ".srt":
        yield from _srt(text, "" if single else file.stem)
    elif kind == ".csv":
        yield from map(_entry, csv.DictReader(text.splitlines()))
    elif kind == ".jsonl":
        yield from map(_entry, map(json.loads, filter(str.strip, text.splitlines())))
    else:
        yield from map(_entry, _list(json.loads(text)))


def _list(tree: Any) -> Iterable[Any]:
    if not isinstance(tree, list):
        raise ValueError("a list of captions is needed")
    return tree


def _entry(tree: Any) -> TimedCaption:
    if not isinstance(tree, dict) or not {"start", "end", "caption"} <= tree.keys():
        raise ValueError("each entry needs start, end and caption")
    video = Path(str(tree.get("video") or "")).name
    return TimedCaption(
        video=video, start=float(tree["start"]), end=float(tree["end"]), text=str(tree["caption"]).strip()
    )


def _srt(text: str, video: str) -> Iterator[TimedCaption]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        if match := _SRT_TIME.search(block):
            values = [int(part) for part in match.groups()]
            start, end = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (values[:4], values[4:]))
            yield TimedCaption(video=video, start=start, end=end, text=" ".join(block[match.end() :].split()))
