"""Each input of the corpora again; `python -m tests.fuzz` looks for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import imports, target


@pytest.mark.parametrize("path", target.corpus(), ids=lambda path: path.name)
def test_no_promise_of_a_story_is_broken(path: Path) -> None:
    target.check(path.read_bytes())


@pytest.mark.parametrize("path", imports.corpus(), ids=lambda path: path.name)
def test_no_promise_of_an_import_is_broken(path: Path) -> None:
    imports.check(path.read_bytes())
