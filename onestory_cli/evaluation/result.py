"""What a benchmark found: one frozen value, as JSON, as a table for the console and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from onestory_cli.evaluation.statistics import Estimate

SCHEMA = "onestory.evaluation.v1"


@dataclass(frozen=True, kw_only=True)
class Selector:
    """How often the highest-ranked frame is from a most relevant shot, over shots that have a choice to make.

    chance: a random earlier shot instead; last: the shot before
    """

    first_choice: Estimate
    chance: Estimate
    last: Estimate


@dataclass(frozen=True, kw_only=True)
class Result:
    """Rows by policy (and "ceiling"), paired differences by pair of policies; all in percent with 95 % intervals.

    provenance: model fingerprint, seeds, settings, versions and machine
    """

    model: str
    stories: int
    policies: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    selector: Selector | None
    seconds: float
    provenance: Mapping[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {"schema": SCHEMA, "benchmark": "storyworld", **asdict(self)}

    @property
    def columns(self) -> tuple[str, ...]:
        return ("%", "n", *self.rows, *self.differences)

    def table(self) -> list[tuple[str, ...]]:
        """A line per row that was asked at all, under `columns`."""
        names = next(iter(self.rows.values()))
        return [self._line(name) for name in names if any(rows[name].n for rows in self.rows.values())]

    def _line(self, name: str) -> tuple[str, ...]:
        shares = [rows[name] for rows in self.rows.values()]
        differences = [rows[name] for rows in self.differences.values()]
        return (name, str(shares[0].n), *map(words, shares), *(words(item, signed=True) for item in differences))

    def selector_line(self) -> str:
        """The quality of the selector as a sentence; empty where no film used it."""
        if self.selector is None or not self.selector.first_choice.n:
            return ""
        item = self.selector
        return (
            f"first choice is from a most relevant shot: {words(item.first_choice)} % of {item.first_choice.n} "
            f"(a random earlier shot: {words(item.chance)}, the last shot: {words(item.last)})"
        )

    def markdown(self) -> str:
        """The table for a README."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.table()]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        note = self.selector_line()
        return table + (f"\n\nSelector: {note}.\n" if note else "\n")


def words(item: Estimate, *, signed: bool = False) -> str:
    """An estimate as text, `63 (55 to 71)`; a dash where nothing was asked."""
    if item.percent is None:
        return "-"
    sign = "+" if signed else ""
    return f"{item.percent:{sign}.0f} ({item.low:{sign}.0f} to {item.high:{sign}.0f})"
