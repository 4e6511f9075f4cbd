"""Read identity scores of characters, written by `onestory evaluate FILM --out FILE`.

Scores are bound to clips by checksum: those of other clips are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.report.data import FilmReport
from onestory_cli.schemas.documents import FILM_MEASURED
from onestory_cli.store.layout import CLIP
from onestory_cli.utils.text import shell_quote
from onestory_cli.utils.untrusted import read_limited

MAX_BYTES = 16 * 2**20
Identity = Mapping[str, float | None]  # shot that names the character -> cosine similarity to its first shot


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Identity per character, measured by the networks `by`; None for a shot without a detection.

    `by` is "" without a detector or embedder: then nothing was measured.
    """

    by: str
    identity: Mapping[str, Identity]


def read_scores(file: Path, film: FilmReport) -> Scores:
    """Read scores from a file.

    Raises:
        OnestoryError: R417 for a file without scores, R418 for scores of other clips.
    """
    try:
        data = read_limited(file, MAX_BYTES)
    except (OSError, ValueError) as fault:
        raise _broken(film, f'"{file}" cannot be read: {getattr(fault, "strerror", None) or fault}') from fault
    try:
        document = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as fault:
        raise _broken(film, f'"{file}" is not JSON: {shorten(str(fault), 80)}') from fault
    return scores_of(document, film, str(file))


def scores_of(document: Any, film: FilmReport, name: str) -> Scores:
    """Read scores from a document `onestory.evaluation.v1`; `name` is its source for messages.

    Raises:
        OnestoryError: as `read_scores`.
    """
    _require_scores(document, film, name)
    _require_clips({row["shot"]: row["clip"] for row in document["shots"]}, film, name)
    identity: dict[str, dict[str, float | None]] = {}
    for row in document["shots"]:
        for character, value in row["identity"].items():
            identity.setdefault(character, {})[row["shot"]] = value
    return Scores(by=_by(document["provenance"]["networks"]), identity=identity)


def _by(networks: Mapping[str, Mapping[str, str] | None]) -> str:
    """Detector and embedder: "IDEA-Research/grounding-dino-tiny and facebook/dinov2-base"; "" without either."""
    if networks.get("readout"):
        return "the readout of the storyworld"
    detector, embedder = networks.get("detector"), networks.get("embedder")
    return f"{detector['source']} and {embedder['source']}" if detector and embedder else ""


def _require_scores(document: Any, film: FilmReport, name: str) -> None:
    from jsonschema import Draft7Validator  # slow to load
    from jsonschema.exceptions import best_match

    if isinstance(document, dict) and document.get("benchmark") == "storyworld":
        raise _broken(film, f'"{name}" has the scores of a model, not of a film')
    fault = best_match(Draft7Validator(FILM_MEASURED).iter_errors(document))
    if fault:
        raise _broken(film, f'"{name}" does not hold the scores of a film: {shorten(fault.message, 80)}')


def _require_clips(scored: Mapping[str, str], film: FilmReport, name: str) -> None:
    clips = {shot.id: shot.take.record.files[CLIP].sha256 for shot in film.shots}
    if [*scored.items()] == [*clips.items()]:
        return
    other = [shot for shot, sha256 in clips.items() if scored.get(shot) != sha256]
    if len(other) == len(clips):
        message = f'"{name}" has scores of another film'
    elif other:
        message = f'"{name}" was measured on other takes of {shorten(", ".join(other), 60)}'
    else:
        message = f'"{name}" was measured on other shots, or in another order'
    raise OnestoryError("R418", message, help=_again(film), exit=ExitCode.USAGE)


def _broken(film: FilmReport, message: str) -> OnestoryError:
    return OnestoryError("R417", message, help=_again(film), exit=ExitCode.USAGE)


def _again(film: FilmReport) -> str:
    return f"measure the current film: `onestory evaluate {shell_quote(film.run)} --out scores.json`"


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")
