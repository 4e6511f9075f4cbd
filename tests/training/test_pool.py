"""Work ahead in a pool."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from onestory_cli.training.pool import map_ahead


@pytest.mark.parametrize("count", [1, 3, 20])
def test_results_are_in_order_and_few_are_worked_ahead(count: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            asked.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, lambda number: number * number, items(), count)
        assert next(results) == 0
        assert len(asked) == min(count + 1, 10)
        assert list(results) == [number * number for number in range(1, 10)]
