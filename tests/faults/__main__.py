"""`python -m tests.faults`: kill renders, damage every file, refuse every operation, resume, compare. Prints tables.

Exit code 1 if one of them was not survived.
"""

from __future__ import annotations

import argparse
import platform
import random
import shutil
import sys
from collections import Counter
from collections.abc import Sequence

from onestory_cli.version import __version__
from tests.faults.films import Film, film_of_a_real_model, film_of_numbers
from tests.faults.harms import Harm, harm_every_file
from tests.faults.kills import Kill, Whole, choose_kills, early_pairs, measure, survives
from tests.faults.refusals import Refusal, refuse_every_operation
from tests.faults.workspace import memory_folder


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="number of kills (default: 200)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the random choice (default: 1)")
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="also all double kills within N operations")
    parser.add_argument("--real", action="store_true", help="a tiny model of the real classes instead of arithmetic")
    parser.add_argument("--only-kills", action="store_true", help="damage no file and refuse no operation")
    options = parser.parse_args(arguments)
    harms, refusals = list[Harm](), list[Refusal]()
    with memory_folder() as place:
        film = film_of_a_real_model(place / "model") if options.real else film_of_numbers()
        whole = measure(film, place / "whole")
        kills = [*choose_kills(whole, options.kills, random.Random(options.seed)), *early_pairs(whole, options.pairs)]
        ends = []
        for kill in kills:
            ends.append((kill, survives(film, whole, place / "killed", kill)))
            shutil.rmtree(place / "killed", ignore_errors=True)
        if not options.only_kills:
            harms += harm_every_file(film, place / "harms")
            refusals += refuse_every_operation(film, whole, place / "refused")
    sys.stdout.write(report(film, whole, ends, seed=options.seed))
    if not options.only_kills:
        sys.stdout.write(report_of_harms(harms))
        sys.stdout.write(report_of_refusals(refusals))
    survived = all(end in ("same", "ended before") for _, end in ends)
    return int(not survived or any(item.end for item in (*harms, *refusals)))


def report(film: Film, whole: Whole, ends: Sequence[tuple[Kill, str]], *, seed: int) -> str:
    """A table of what was tried and how it ended, by kind, and every kill that was not survived."""
    tried, same, late = Counter[str](), Counter[str](), Counter[str]()
    for kill, end in ends:
        tried[kill.kind] += 1
        same[kill.kind] += end in ("same", "ended before")
        late[kill.kind] += end == "ended before"
    rows = [f"| {kind} | {count} | {count - late[kind]} | {same[kind]} |" for kind, count in tried.items()]
    failed = [f"{kill}: {end}" for kill, end in ends if end not in ("same", "ended before")]
    system = f"onestory {__version__}, Python {platform.python_version()}, {platform.system()}"
    operations = f"{len(whole.operations)} operations of the store, {len(whole.writes)} writes"
    return "\n".join(
        [
            f"## {film.name}: {len(ends)} kills, seed {seed}",
            "",
            f"{system}; {len(film.plan.jobs)} shots of {film.plan.jobs[0].steps} steps; "
            f"{len(whole.outcome)} outcomes compared, {operations}.",
            "",
            "| killed | tried | died | no damage, and the same bytes after resuming |",
            "|---|---|---|---|",
            *rows,
            f"| all | {len(ends)} | {len(ends) - late.total()} | {same.total()} |",
            *_not_survived(failed),
        ]
    )


def report_of_harms(harms: Sequence[Harm]) -> str:
    """A table of the damages, by kind."""
    rows = [_row(kind, [item.end for item in harms if item.kind == kind]) for kind in dict.fromkeys(_kinds(harms))]
    made = Counter(len(item.made) for item in harms)
    shots = ", ".join(f"{count} times {shots} shots" for shots, count in sorted(made.items()))
    return "\n".join(
        [
            "### Every file of the run damaged",
            "",
            f"Found by `verify`, reported and repaired by the next render; rendered again: {shots}.",
            "The log decides nothing, so its loss costs nothing.",
            "",
            "| a file | tried | found, reported, repaired, and nothing else rendered |",
            "|---|---|---|",
            *rows,
            *_not_survived([f"{item}: {item.end}" for item in harms if item.end]),
        ]
    )


def report_of_refusals(refusals: Sequence[Refusal]) -> str:
    """A table of the write faults, by kind."""
    kinds = dict.fromkeys(_kinds(refusals))
    rows = [_row(kind, [item.end for item in refusals if item.kind == kind]) for kind in kinds]
    return "\n".join(
        [
            "### Every operation of the store refused",
            "",
            "| the system returns | tried | coded error, no damage, and the same bytes after resuming |",
            "|---|---|---|",
            *rows,
            *_not_survived([f"{item}: {item.end}" for item in refusals if item.end]),
        ]
    )


def _kinds(items: Sequence[Harm] | Sequence[Refusal]) -> list[str]:
    return [item.kind for item in items]


def _row(kind: str, ends: Sequence[str]) -> str:
    return f"| {kind} | {len(ends)} | {ends.count('')} |"


def _not_survived(failed: Sequence[str]) -> list[str]:
    return [
        "",
        *(["Not survived:", "", *(f"- {item}" for item in failed)] if failed else ["All were survived."]),
        "",
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
