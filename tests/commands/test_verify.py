from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_complete_run(onestory: Onestory, film_run: Path) -> None:
    result = onestory("verify", film_run)
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, "", "3 intact takes, 0 damaged files\n")


@pytest.mark.parametrize("pattern", ["shots/city/*/clip.mp4", "film.mp4", "story.yaml", "run.json"])
def test_missing_file_is_named(onestory: Onestory, film_run: Path, pattern: str) -> None:
    (victim,) = film_run.glob(pattern)
    victim.unlink()
    result = onestory("verify", film_run)
    assert result.exit is ExitCode.FINDINGS
    assert result.out.startswith(f"{victim}: missing")
    assert [item["path"] for item in onestory("verify", film_run, "--json").json["damages"]] == [str(victim)]
