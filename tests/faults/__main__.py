"""`python -m tests.faults`: kill renders, go on, compare, and print a table. Exit code 1 when one did not survive."""

from __future__ import annotations

import argparse
import platform
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from onestory_cli import __version__
from tests.faults.films import Film, film_of_a_real_model, film_of_numbers
from tests.faults.kills import Kill, Whole, choose_kills, measure, survives

SHARED = Path("/dev/shm")  # a kill is as good in memory, and hundreds of runs spare the disk


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which ones (default: 1)")
    parser.add_argument("--real", action="store_true", help="a tiny model of the real classes instead of arithmetic")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as place:
        film = film_of_a_real_model(Path(place) / "model") if options.real else film_of_numbers()
        whole = measure(film, Path(place) / "whole")
        ends = {}
        for kill in choose_kills(whole, options.kills, random.Random(options.seed)):
            ends[len(ends), kill] = survives(film, whole, Path(place) / "killed", kill)
            shutil.rmtree(Path(place) / "killed", ignore_errors=True)
    sys.stdout.write(report(film, whole, [(kill, end) for (_, kill), end in ends.items()], seed=options.seed))
    return int(any(end not in ("same", "ended before") for end in ends.values()))


def report(film: Film, whole: Whole, ends: Sequence[tuple[Kill, str]], *, seed: int) -> str:
    """A table of what was tried and how it ended, by kind, and every kill that was not survived."""
    tried, same, late = Counter[str](), Counter[str](), Counter[str]()
    for kill, end in ends:
        tried[kill.kind] += 1
        same[kill.kind] += end in ("same", "ended before")
        late[kill.kind] += end == "ended before"
    rows = [f"| {kind} | {count} | {count - late[kind]} | {same[kind]} |" for kind, count in tried.items()]
    failed = [f"- {kill}: {end}" for kill, end in ends if end not in ("same", "ended before")]
    system = f"onestory {__version__}, Python {platform.python_version()}, {platform.system()}"
    facts = f"{len(whole.outcome)} digests compared, {whole.operations} operations of the store, {whole.writes} writes"
    return "\n".join(
        [
            f"## {film.name}: {len(ends)} kills, seed {seed}",
            "",
            f"{system}; {len(film.plan.jobs)} shots of {film.plan.jobs[0].steps} steps; {facts}.",
            "",
            "| killed | tried | died | then whole, and the same bytes after resuming |",
            "|---|---|---|---|",
            *rows,
            f"| all | {len(ends)} | {len(ends) - late.total()} | {same.total()} |",
            "",
            *(["Not survived:", "", *failed] if failed else ["All were survived."]),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
