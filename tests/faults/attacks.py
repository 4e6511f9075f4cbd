"""The log of all attacks, `attacks.json`, and the table of it in the manual: `python -m tests.faults.attacks`.

Each entry is one run of a harness: its command, the number of attacks, how many of them lost something, and what was
found. `pytest --regold tests/faults/test_attacks.py` writes the table into the manual.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

LOG = Path(__file__).with_name("attacks.json")
PAGE = Path(__file__).parents[2] / "onestory_cli" / "manual" / "trust.md"
_TABLE = re.compile(r"\| attack \|.*?\n(?=\n)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One run of a harness. `seconds` are those of fuzzers; `found` is "" if nothing was."""

    attack: str
    command: str
    date: str
    count: int
    lost: int
    found: str = ""
    seconds: int = 0


def read_log() -> list[Attack]:
    return [Attack(**entry) for entry in json.loads(LOG.read_text())]


def table(log: list[Attack]) -> str:
    """A row for each kind of attack with the sums of its runs."""
    lines = ["| attack | count | lost | found |", "|---|---:|---:|---|"]
    for kind in dict.fromkeys(entry.attack for entry in log):
        runs = [entry for entry in log if entry.attack == kind]
        count, lost, seconds = (sum(getattr(run, name) for run in runs) for name in ("count", "lost", "seconds"))
        found = "; ".join(dict.fromkeys(run.found for run in runs if run.found)) or "nothing"
        time = f", {seconds / 60:.0f} min" if seconds else ""
        lines.append(f"| {kind}{time} | {count:,} | {lost} | {found} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, log: list[Attack]) -> str:
    """The page with the table of this log."""
    return _TABLE.sub(lambda _: table(log), page)


if __name__ == "__main__":
    sys.stdout.write(table(read_log()))
