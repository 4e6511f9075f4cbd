"""The seeds of the file fuzzers keep all promises; `python -m tests.fuzz model` and so on look for other inputs."""

from __future__ import annotations

import pytest

from tests.fuzz.files import GROUPS, checker, seeds, words


@pytest.mark.parametrize("group", GROUPS)
def test_seeds_keep_all_promises(group: str) -> None:
    check = checker(GROUPS[group])
    for data in seeds(GROUPS[group]):
        check(data)


def test_the_dictionary_has_the_keys_of_the_seeds() -> None:
    assert r'"\"weight_map\""' in words().splitlines()
