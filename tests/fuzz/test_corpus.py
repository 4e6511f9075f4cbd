"""Each input of the corpora again; `python -m tests.fuzz` looks for new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import imports, target


@pytest.mark.parametrize("path", target.corpus(), ids=lambda path: path.name)
def test_stories_of_the_corpus_keep_all_invariants(path: Path) -> None:
    target.check(path.read_bytes())


@pytest.mark.parametrize("path", imports.corpus(), ids=lambda path: path.name)
def test_imports_of_the_corpus_keep_all_invariants(path: Path) -> None:
    imports.check(path.read_bytes())
