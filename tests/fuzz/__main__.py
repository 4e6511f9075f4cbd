"""`python -m tests.fuzz [libFuzzer's flags]`: looks for bytes that break a promise of `target.check`.

Needs the extra `fuzz` (atheris). It goes on from the committed corpus and writes what it finds to `--out`, not into
the checkout: `python -m tests.fuzz --out /tmp/fuzz -max_total_time=600`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["onestory_cli.story", "onestory_cli.plan", "onestory_cli.errors"]):
    from tests.fuzz import target

FLAGS = ("-timeout=5", "-rss_limit_mb=1000", "-max_len=16384", "-print_final_stats=1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "onestory-fuzz")
    options, flags = parser.parse_known_args()
    options.out.mkdir(parents=True, exist_ok=True)
    words = Path(__file__).with_name("words.dict")
    folders = [str(options.out), str(Path(__file__).parent / "corpus")]
    found = f"-artifact_prefix={options.out}/found-"
    atheris.Setup([sys.argv[0], *FLAGS, f"-dict={words}", found, *flags, *folders], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
