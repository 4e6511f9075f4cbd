"""Compare two results of a suite, paired by story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from onestory_cli.errors import OnestoryError, shorten
from onestory_cli.evaluation.result import BenchmarkResult, Row, grid
from onestory_cli.evaluation.statistics import Estimate, Tally, difference, read_tally, share
from onestory_cli.evaluation.variants import Variant
from onestory_cli.schemas.documents import MODEL_MEASURED
from onestory_cli.utils.untrusted import read_json

MAX_BYTES = 16 * 2**20

NOW, THEN = "this", "that"
# settings that are not compared: batching does not change results, and memory guidance belongs to a column
_NO_SETTING = ("batch", "workers", "memory_guidance")


@dataclass(frozen=True, kw_only=True)
class Other:
    """The parts of an earlier result that are needed for a comparison."""

    model: str
    fingerprint: str
    suite: str
    films: tuple[str, ...]
    variants: Mapping[str, Variant]
    tallies: Mapping[str, Mapping[str, Tally]]
    settings: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Pairs of column names, and pairs of indices of the films that are in both results."""

    columns: tuple[tuple[str, str], ...]
    films: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Shares of both results and their difference, by column, over the films that are in both.

    unequal: names of the settings that differ
    """

    model: str
    fingerprint: str
    films: int
    unequal: tuple[str, ...]
    shown: tuple[str, ...]
    shares: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]

    def document(self) -> dict[str, object]:
        """Return the comparison as JSON."""
        return asdict(self)

    def table(self) -> list[Row]:
        """The header, and a line per row that is shown."""
        return grid(self.shown, self.shares, self.differences)

    def note(self) -> str:
        """A sentence that names the other result and the settings that differ."""
        text = f"that: {self.model}, fingerprint {self.fingerprint}; paired over {self.films} stories"
        return f"{text}; different settings: {', '.join(self.unequal)}" if self.unequal else text


def read_other(path: Path) -> Other:
    """Read a result that `onestory evaluate --out` wrote.

    Raises:
        OnestoryError: T620 for any other file.
    """
    try:
        document = read_json(path, limit=MAX_BYTES)
        _require_result(document)
        return _other(document)
    except (OSError, ValueError, RecursionError) as fault:
        raise OnestoryError(
            "T620",
            f'"{path}" is not a result of a model: {shorten(str(fault), 120)}',
            help="name a file written by `onestory evaluate MODEL --out FILE` of this version",
        ) from fault


def pair_results(suite: str, films: Sequence[str], columns: Sequence[str], other: Other) -> Pairing:
    """Pair the films and columns of a result with those of an earlier one. This works before any film is generated.

    Raises:
        OnestoryError: T620 if the suites differ, or if they share no column or fewer than two stories.
    """
    same = tuple((name, name) for name in columns if name in other.tallies)
    if not same and len(columns) == len(other.tallies) == 1:
        same = tuple(zip(columns, other.tallies, strict=True))
    places = {film: place for place, film in enumerate(other.films)}
    shared = tuple((place, places[film]) for place, film in enumerate(films) if film in places)
    if suite != other.suite or not same or len(shared) < 2:
        raise OnestoryError(
            "T620",
            f'a result of the suite "{other.suite}" for {", ".join(other.tallies)} on {len(other.films)} stories has '
            f"too little in common with this one",
            help="generate both with the same --suite, --policies and part of the world",
        )
    return Pairing(columns=same, films=shared)


def compare_results(result: BenchmarkResult, other: Other) -> Comparison:
    """Compare columns with the same name, or the only column of each result.

    Raises:
        OnestoryError: as `pair_results`.
    """
    pairing = pair_results(result.suite, result.films, tuple(result.tallies), other)
    mine, theirs = zip(*pairing.films, strict=True)
    asked = [(result.tallies[name], other.tallies[name_then]) for name, name_then in pairing.columns]
    rows = tuple(row for row in result.shown if all(row in now and row in then for now, then in asked))
    shares: dict[str, dict[str, Estimate]] = {}
    differences: dict[str, dict[str, Estimate]] = {}
    for (name, name_then), (all_now, all_then) in zip(pairing.columns, asked, strict=True):
        now = {row: all_now[row].of(mine) for row in rows}
        then = {row: all_then[row].of(theirs) for row in rows}
        shares[f"{name}, {NOW}"] = {row: share(item) for row, item in now.items()}
        shares[f"{name_then}, {THEN}"] = {row: share(item) for row, item in then.items()}
        differences[f"{name}: {NOW} - {THEN}"] = {row: difference(now[row], then[row]) for row in rows}
    return Comparison(
        model=other.model,
        fingerprint=other.fingerprint,
        films=len(pairing.films),
        unequal=_unequal(result, other, pairing.columns),
        shown=rows,
        shares=shares,
        differences=differences,
    )


def _require_result(document: Any) -> None:
    """Reject a document that is not a complete result of a model.

    Raises:
        ValueError: the reason.
    """
    from jsonschema import Draft7Validator  # slow to load
    from jsonschema.exceptions import best_match

    if isinstance(document, dict) and document.get("benchmark") == "videos":
        raise ValueError("it is the result of a film")
    if fault := best_match(Draft7Validator(MODEL_MEASURED).iter_errors(document)):
        raise ValueError(fault.message)
    columns, films = document["tallies"], len(document["films"])
    if strange := columns.keys() - {item["name"] for item in document["variants"]}:
        raise ValueError(f"there is no variant named {min(strange)}")
    if any(
        len(item[key]) != films for rows in columns.values() for item in rows.values() for key in ("asked", "right")
    ):
        raise ValueError(f"it lists {films} films, but the numbers of answers differ")


def _other(document: Mapping[str, Any]) -> Other:
    tallies = {
        name: {row: read_tally(item) for row, item in rows.items()} for name, rows in document["tallies"].items()
    }
    return Other(
        model=document["model"],
        fingerprint=document["provenance"]["fingerprint"],
        suite=document["suite"],
        films=tuple(document["films"]),
        variants={item["name"]: _variant(item) for item in document["variants"]},
        tallies=tallies,
        settings=document["provenance"]["conduct"],
    )


def _variant(document: Mapping[str, Any]) -> Variant:
    """A column of a result. Older results do not contain the memory guidance."""
    return Variant(**{item.name: document[item.name] for item in fields(Variant) if item.name in document})


def _unequal(result: BenchmarkResult, other: Other, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Names of settings that differ, for all films or in the memory of any pair of columns."""
    mine = {item.name: item for item in result.variants}
    usual = {"noise_seeds": 1}  # earlier versions do not write it
    pairs = [(usual | _flat(result.provenance.get("conduct")), usual | _flat(other.settings))]
    pairs += [(_remembering(mine[now]), _remembering(other.variants[then])) for now, then in columns]
    return tuple(
        sorted({name for one, two in pairs for name in one.keys() | two.keys() if one.get(name) != two.get(name)})
    )


def _remembering(variant: Variant) -> dict[str, object]:
    """The memory settings of a column; the policy "none" has no others."""
    if variant.policy == "none":
        return {"policy": variant.policy}
    return {
        "policy": variant.policy,
        "frames": variant.frames,
        "budget": variant.budget,
        "memory guidance": variant.guidance,
    }


def _flat(settings: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in (settings if isinstance(settings, Mapping) else {}).items():
        found |= _flat(value) if isinstance(value, Mapping) else {name: value}
    return {name: value for name, value in found.items() if name not in _NO_SETTING}
