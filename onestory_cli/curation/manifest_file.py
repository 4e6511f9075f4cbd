"""`SET/shots.jsonl`: one line per sequence, in the format that `train` reads (`onestory schema shots`)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from onestory_cli.curation.embeddings import relevance_label
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.frames import VideoFacts
from onestory_cli.utils.system import replace, sync

FILE = "shots.jsonl"


class ManifestWriter:
    """Writes a draft; it becomes `shots.jsonl` when the block ends without a fault.

    `encoders` are the names of those that made the embeddings of the shots.
    """

    def __init__(self, folder: Path, encoders: Sequence[str]) -> None:
        self._encoders = tuple(encoders)
        self._path, self._draft = folder / FILE, folder / f".{FILE}.draft"
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ManifestWriter:
        self._draft.unlink(missing_ok=True)  # what a kill left
        self._file = self._draft.open("x", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        if kind is None:
            replace(self._draft, self._path)
            sync(self._folder)
        else:
            self._draft.unlink(missing_ok=True)

    def add(
        self, video: Path, digest: str, facts: VideoFacts | None, sequences: Sequence[Sequence[CuratedShot]]
    ) -> None:
        """Write a line for each sequence; shots without a caption are not training data and write none."""
        for shots in sequences:
            if facts is None or not all(shot.rewritten for shot in shots):
                continue
            line: dict[str, Any] = {"video": _relative(video, self._folder), "digest": digest}
            if any(facts.crop):
                line["crop"] = list(facts.crop)
            line["shots"] = [_shot(shots, index, self._encoders) for index in range(len(shots))]
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _shot(shots: Sequence[CuratedShot], index: int, encoders: Sequence[str]) -> dict[str, Any]:
    shot = shots[index]
    entry: dict[str, Any] = {"start": round(shot.start, 6), "end": round(shot.end, 6), "caption": shot.rewritten}
    if shot.embeddings:
        labels = (relevance_label(encoders, shot.embeddings, other.embeddings) for other in shots[:index])
        entry["relevance"] = [round(label, 4) for label in labels]
    entry |= {"x-id": shot.id, "x-caption": shot.caption, "x-begins": shot.begins, "x-measures": shot.measures}
    if shot.cast:
        names = zip(shot.ids.characters, shot.cast, strict=True)
        entry["x-cast"] = [{"id": id, "label": item.label} for id, item in names]
    if shot.ids.setting:
        entry["x-setting"] = shot.ids.setting
    return entry


def _relative(video: Path, folder: Path) -> str:
    """A path that holds when set and videos move together; absolute for a video on another drive."""
    try:
        return Path(os.path.relpath(video, folder)).as_posix()
    except ValueError:
        return str(video.absolute())
