"""Results of a benchmark, as JSON, as a table for the console and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from onestory_cli.evaluation.consistency import MEASURES
from onestory_cli.evaluation.drawing import DRAWN
from onestory_cli.evaluation.statistics import MIN_STORIES, Estimate, Tally
from onestory_cli.evaluation.variants import Variant

SCHEMA = "onestory.evaluation.v1"

Row = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Selector:
    """How often the highest-ranked frame is from a most relevant shot, over shots with a choice.

    chance: the same for a random earlier shot; last: for the previous shot
    """

    first_choice: Estimate
    chance: Estimate
    last: Estimate

    def sentence(self) -> str:
        """For example "first choice is from a most relevant shot: 91 (84 to 96) % of 130 ..."; empty without shots."""
        if not self.first_choice.n:
            return ""
        return (
            f"first choice is from a most relevant shot: {words(self.first_choice)} % of {self.first_choice.n} "
            f"(a random earlier shot: {words(self.chance)}, the last shot: {words(self.last)})"
        )


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """Rows by variant (and "ceiling"), and differences between the first variant and the others, paired by film.

    All are in percent with 95 % intervals.

    films: a digest of each film's story
    shown: the rows that tables show
    tallies: the counts of every film for every variant and row, so that a later result can be compared with this one
    frechet: for every variant and the ceiling, the Frechet distance to true frames in features of the read-out
    diversity: for every variant, how far apart films of different noise seeds are; empty with a single seed
    readout: the read-out's own accuracy: attribute -> share of correct answers on true films after a VAE
    provenance: model fingerprint, seeds, settings, versions and machine
    """

    model: str
    suite: str
    variants: tuple[Variant, ...]
    films: tuple[str, ...]
    shown: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    tallies: Mapping[str, Mapping[str, Tally]]
    selector: Selector | None
    readout: Mapping[str, float]
    seconds: float
    frechet: Mapping[str, float] = field(default_factory=dict)
    diversity: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Return the result as JSON."""
        return {
            "schema": SCHEMA,
            "benchmark": "storyworld",
            "model": self.model,
            "suite": self.suite,
            "stories": len(self.films),
            "variants": [asdict(item) for item in self.variants],
            "provenance": dict(self.provenance),
            "seconds": self.seconds,
            "frechet": dict(self.frechet),
            "diversity": dict(self.diversity),
            "readout": dict(self.readout),
            "selector": self.selector and asdict(self.selector),
            "shown": list(self.shown),
            "rows": _as_json(self.rows),
            "differences": _as_json(self.differences),
            "films": list(self.films),
            "tallies": {
                name: {row: item.document() for row, item in rows.items()} for name, rows in self.tallies.items()
            },
        }

    def table(self) -> list[Row]:
        """The header, and a line per row that is shown."""
        return grid(self.shown, self.rows, self.differences)

    def notes(self) -> tuple[str, ...]:
        """Notes below the table."""
        sentence = self.selector.sentence() if self.selector else ""
        read = ", ".join(f"{name.replace('_', ' ')} {value:.1%}" for name, value in self.readout.items())
        distances, spread = (
            ", ".join(f"{name} {value:.3f}" for name, value in item.items()) for item in (self.frechet, self.diversity)
        )
        notes = (
            sentence and f"Selector: {sentence}.",
            distances and f"Frechet distance to true frames, in features of the read-out: {distances}.",
            spread and f"Diversity over noise seeds, 1 - cosine in features of the read-out: {spread}.",
            self._baselines(),
            len(self.films) < MIN_STORIES and f"No intervals: there are fewer than {MIN_STORIES} stories.",
            read and f"Accuracy of the read-out itself: {read}.",
        )
        return tuple(note for note in notes if note)

    def _baselines(self) -> str:
        """The caveat about `recent` and `last` as baselines."""
        names = sorted({item.policy for item in self.variants} & {"recent", "last"})
        if not names:
            return ""
        policies = " and ".join(f"`{name}`" for name in names)
        return f"{policies} used weights that were trained with the selector, not weights trained for that policy."


def grid(
    rows: Sequence[str],
    shares: Mapping[str, Mapping[str, Estimate]],
    differences: Mapping[str, Mapping[str, Estimate]],
) -> list[Row]:
    """The header, and a line per row: number of questions `n`, then shares and differences by column.

    Some rows leave out characters that are not found. The number of questions can then differ by column, and `n` is a
    range.
    """
    lines: list[Row] = [("%", "n", *shares, *differences)]
    for row in rows:
        digits = 1 if row.rpartition(", ")[2] in (*MEASURES, *DRAWN) else 0
        cells = [words(column[row], digits=digits) for column in shares.values()]
        cells += [words(column[row], digits=digits, signed=True) for column in differences.values()]
        asked = sorted({column[row].n for column in shares.values()})
        lines.append((row, " to ".join(map(str, dict.fromkeys((asked[0], asked[-1])))), *cells))
    return lines


def markdown(table: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Format a table and notes as Markdown."""
    head, *lines = table
    rule = ("---", *["---:"] * (len(head) - 1))
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))
    return "\n\n".join((text, *notes)) + "\n"


def words(item: Estimate, *, digits: int = 0, signed: bool = False) -> str:
    """An estimate as text: `63 (55 to 71)`, `63` without an interval, or a dash without questions."""
    known = [value for value in (item.percent, item.low, item.high) if value is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{round(known[0], digits) + 0.0:{'+' if signed else ''}.{digits}f}"
    form = f"{'+' if signed else ''}.{digits}f"
    percent, low, high = (f"{round(value, digits) + 0.0:{form}}" for value in known)  # avoids -0
    return f"{percent} ({low} to {high})"


def _as_json(columns: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, object]]:
    return {name: {row: asdict(item) for row, item in rows.items()} for name, rows in columns.items()}
