"""`python -m tests.fuzz [story|import] [libFuzzer's flags]`: looks for bytes that break a promise of a target.

Needs the extra `fuzz` (atheris). It goes on from the committed corpus and writes what it finds to `--out`, not into
the checkout: `python -m tests.fuzz import --out /tmp/fuzz -max_total_time=600`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

PACKAGES = ("story", "plan", "errors", "importers")
with atheris.instrument_imports(include=[f"onestory_cli.{name}" for name in PACKAGES]):
    from tests.fuzz import imports, target

FLAGS = ("-timeout=5", "-rss_limit_mb=1000", "-max_len=16384", "-print_final_stats=1")
HERE = Path(__file__).parent
TARGETS = {
    "story": (target.check, HERE / "corpus", HERE / "words.dict"),
    "import": (imports.check, HERE / "imports", HERE / "sources.dict"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS, default="story")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "onestory-fuzz")
    options, flags = parser.parse_known_args()
    options.out.mkdir(parents=True, exist_ok=True)
    check, corpus, words = TARGETS[options.target]
    found = f"-artifact_prefix={options.out}/found-"
    atheris.Setup([sys.argv[0], *FLAGS, f"-dict={words}", found, *flags, str(options.out), str(corpus)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
