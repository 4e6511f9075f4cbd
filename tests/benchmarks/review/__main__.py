"""`python -m tests.benchmarks.review [NAME ...]`: response times on the embedded model, compared with their goals.

Needs Chromium for `takes`, `long`, `click` and `idle`. The first run of `takes`, `click` or `idle` renders 30 takes,
that of `long` 300 shots; `--films` keeps them for later runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.review import clicks, editor, pages, previews, saves
from tests.benchmarks.review.figure import HEAD, Figure, row

MEASURES: dict[str, Callable[[Path], list[Figure]]] = {
    "takes": pages.page_of_takes,
    "long": pages.page_of_long_film,
    "click": clicks.accepting,
    "idle": clicks.idle,
    "watch": saves.watching,
    "lsp": editor.keys,
    "previews": previews.previews,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.review", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)} [default: all]")
    parser.add_argument("--films", type=Path, help="folder that keeps the rendered films")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.films or Path(temporary)
        sys.stdout.write(HEAD)
        for name in options.names or MEASURES:
            sys.stdout.writelines(map(row, MEASURES[name](folder)))
            sys.stdout.flush()
    sys.stdout.write(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    main()
