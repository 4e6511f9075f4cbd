"""Each input of the corpus again; `python -m tests.fuzz` looks for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import target


@pytest.mark.parametrize("path", target.corpus(), ids=lambda path: path.name)
def test_no_promise_is_broken(path: Path) -> None:
    target.check(path.read_bytes())
