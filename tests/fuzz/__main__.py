"""`python -m tests.fuzz [TARGET] [libFuzzer's flags]`: looks for bytes that break a promise of a target.

Targets: story, import, model, lora, run, curate. Needs the extra `fuzz` (atheris). The first two start from the
committed corpus, the others from seeds in `files.py`. What is found is written to `--out`, not into the checkout:
`python -m tests.fuzz import --out /tmp/fuzz -max_total_time=600`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

PACKAGES = ("story", "planning", "errors", "importers", "store", "curation", "models", "utils")
with atheris.instrument_imports(include=[f"onestory_cli.{name}" for name in PACKAGES]):
    from tests.fuzz import files, imports, target

FLAGS = ("-timeout=5", "-rss_limit_mb=1000", "-max_len=16384", "-print_final_stats=1")
HERE = Path(__file__).parent
TARGETS = {
    "story": (target.check, HERE / "corpus", HERE / "words.dict"),
    "import": (imports.check, HERE / "imports", HERE / "sources.dict"),
}


def prepared(name: str, out: Path) -> tuple[Callable[[bytes], None], Path, Path]:
    """The check, the folder of first inputs and the dictionary of a target."""
    if name in TARGETS:
        return TARGETS[name]
    corpus, words = out / "seeds", out / "words.dict"
    files.write_seeds(name, corpus)
    words.write_text(files.words())
    return files.checker(files.GROUPS[name]), corpus, words


def keeping(check: Callable[[bytes], None], out: Path) -> Callable[[bytes], None]:
    """The check; an input that breaks it is written to `out` first, as atheris can die before it has written one."""

    def kept(data: bytes) -> None:
        try:
            check(data)
        except BaseException:
            (out / f"broken-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            raise

    return kept


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*TARGETS, *files.GROUPS], default="story")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "onestory-fuzz")
    options, flags = parser.parse_known_args()
    inputs = options.out / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    check, corpus, words = prepared(options.target, options.out)
    check = keeping(check, options.out)
    found = f"-artifact_prefix={options.out}/found-"
    atheris.Setup([sys.argv[0], *FLAGS, f"-dict={words}", found, *flags, str(inputs), str(corpus)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
