"""Read a manifest of shots: JSON lines, one per video, validated against `shots.v1.schema.json`. No torch here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from onestory_cli import schemas
from onestory_cli.errors import Diagnostic, Findings, OnestoryError, Place, did_you_mean, shorten
from onestory_cli.utils.untrusted import read_text

SCHEMA = "shots.v1"
IN_SET = "shots.jsonl"  # the manifest in a folder that `onestory curate` wrote
MAX_FINDINGS = 200
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class ManifestShot:
    """A part of a video, in seconds. `relevance` has a number per earlier shot, or is None if it must be measured."""

    start: float
    end: float
    caption: str
    relevance: tuple[float, ...] | None = None

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class ManifestVideo:
    """One line of a manifest; `place` is its position in the file, `digest` the stated SHA-256 of the video or ""."""

    path: Path
    shots: tuple[ManifestShot, ...]
    place: Place
    crop: tuple[int, ...] = (0, 0, 0, 0)
    digest: str = ""


def read_manifest(path: Path) -> tuple[ManifestVideo, ...]:
    """All videos of a manifest, or of the folder of a set; empty lines are skipped.

    Raises:
        Findings: T602 with up to 200 faults of all lines.
        OnestoryError: T602 for a file that cannot be read or is empty.
    """
    path = path / IN_SET if path.is_dir() else path
    try:
        lines = read_text(path, limit=MAX_BYTES).splitlines()
    except (OSError, ValueError) as fault:
        raise OnestoryError(
            "T602",
            f"{path}: {getattr(fault, 'strerror', None) or fault}",
            help="`data: {manifest: FILE}` names JSON lines",
        ) from fault
    videos: list[ManifestVideo] = []
    findings: list[Diagnostic] = []
    for number, line in enumerate(lines, start=1):
        place = Place(path=str(path), line=number)
        if not line.strip() or len(findings) >= MAX_FINDINGS:
            continue
        tree, faults = _parse(line, place)
        findings += faults
        if not faults:
            videos.append(_video(tree, path.parent, place))
    if findings:
        raise Findings(tuple(findings[:MAX_FINDINGS]))
    if not videos:
        raise OnestoryError("T602", f"{path} names no video", help="`onestory schema shots` describes its lines")
    return tuple(videos)


def _parse(line: str, place: Place) -> tuple[Any, list[Diagnostic]]:
    """The values of a line, and all findings about them."""
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError) as fault:
        column = getattr(fault, "colno", 1)
        there = Place(path=place.path, line=place.line, column=column, source_line="")
        return None, [_finding(f"the line is not valid JSON: {fault}", there)]
    errors = jsonschema.Draft7Validator(schemas.load(SCHEMA)).iter_errors(tree)
    findings = [_finding(_sentence(error), place, _hint(error)) for error in errors]
    return tree, findings or [_finding(fault, place) for fault in _faults(tree)]


def _faults(tree: dict[str, Any]) -> Iterator[str]:
    """Yield faults that a JSON Schema cannot express."""
    end = 0.0
    for index, shot in enumerate(tree["shots"]):
        where = f"shots[{index}]"
        if shot["start"] < end:
            yield f"{where} starts at {shot['start']} s, before the previous shot ends at {end} s"
        if shot["end"] <= shot["start"]:
            yield f"{where} ends at {shot['end']} s, not after its start at {shot['start']} s"
        end = shot["end"]
        stated = shot.get("relevance")
        if stated is not None and len(stated) != index:
            yield f"{where}.relevance has {len(stated)} numbers for {index} earlier shots"


def _video(tree: dict[str, Any], folder: Path, place: Place) -> ManifestVideo:
    shots = tuple(
        ManifestShot(
            start=float(shot["start"]),
            end=float(shot["end"]),
            caption=shot["caption"].strip(),
            relevance=tuple(map(float, shot["relevance"])) if "relevance" in shot else None,
        )
        for shot in tree["shots"]
    )
    crop = tuple(tree.get("crop", (0, 0, 0, 0)))
    return ManifestVideo(
        path=folder / tree["video"], shots=shots, place=place, crop=crop, digest=tree.get("digest", "")
    )


def _sentence(error: Any) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    where = "".join(steps).removeprefix(".")
    extra = error.validator == "additionalProperties"
    message = f'unknown key "{_extra(error)[0]}"' if extra else error.message
    return shorten(f"{where}: {message}" if where else message, 160)


def _hint(error: Any) -> str:
    """The known key that is closest to an unknown one."""
    if error.validator != "additionalProperties":
        return ""
    return did_you_mean(_extra(error)[0], error.schema["properties"])


def _extra(error: Any) -> list[str]:
    """Keys of a map that are not in its schema."""
    return [key for key in error.instance if key not in error.schema["properties"] and not key.startswith("x-")]


def _finding(message: str, place: Place, help: str = "") -> Diagnostic:
    return Diagnostic(
        code="T602", message=message, place=place, help=help or "`onestory schema shots` describes a line"
    )
