"""Batches: which draws all processes share, and reading ahead."""

from __future__ import annotations

import threading

import pytest

from onestory_cli.training.adapter.draws import BatchDraws, read_ahead
from onestory_cli.training.adapter.learner import Noise
from onestory_cli.training.adapter.recipe import AdapterData, AdapterMemory, AdapterRecipe, Learning
from onestory_cli.training.adapter.triples import Shots
from tests.training.adapter.test_triples import shots  # noqa: F401


def draws(process: int, *, seed: int = 0) -> BatchDraws:
    recipe = AdapterRecipe(
        name="tiny",
        base="tiny",
        data=AdapterData(),
        seed=seed,
        delta="lora",
        train=Learning(steps=20, batch=2, accumulate=2, uniform_steps=3, alone=0.3),
        memory=AdapterMemory(remembered=(1, 3), budgets=(1.0, 2.0)),
    )
    return BatchDraws(recipe=recipe, noise=Noise(mean=0, std=1, shift=3), first_frame=0.5, process=process)


def test_processes_draw_other_batches_of_the_same_shape(shots: Shots) -> None:  # noqa: F811
    """With sharded weights, processes that use other patchifiers stop, or mix their gradients."""
    drawn = [[draws(process).training(shots, number) for number in range(40)] for process in (0, 1)]
    first, second = ([choices.shape for _, choices in batches] for batches in drawn)
    assert first == second
    assert {shape.budget for shape in first} == {1.0, 2.0}
    assert {shape.frames for shape in first[6:]} == {1, 3}
    assert {shape.frames for shape in first[:6]} <= {1, 2}  # the warm-up remembers one shot of two frames
    assert {shape.alone for shape in first} == {True, False}
    assert all(first[step].alone == first[step + 1].alone for step in range(0, 40, 2))  # a step accumulates two batches
    assert not any(mine.noise_BCTHW.equal(other.noise_BCTHW) for (_, mine), (_, other) in zip(*drawn, strict=True))


def test_batches_depend_on_number_and_seed_only(shots: Shots) -> None:  # noqa: F811
    (batch, choices), (again, same) = (draws(1).training(shots, 7) for _ in range(2))
    assert batch.memory_BFCHW.equal(again.memory_BFCHW)
    assert choices.noise_BCTHW.equal(same.noise_BCTHW)
    assert not choices.noise_BCTHW.equal(draws(1, seed=1).training(shots, 7)[1].noise_BCTHW)
    assert draws(0).validation(shots, 3)[0].memory_BFCHW.equal(draws(1).validation(shots, 3)[0].memory_BFCHW)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_read_ahead_keeps_the_order(count: int) -> None:
    assert list(read_ahead(lambda number: number * number, range(5), count)) == [0, 1, 4, 9, 16]


def test_items_are_drawn_while_the_consumer_works() -> None:
    drawn = [threading.Event() for _ in range(4)]

    def draw(number: int) -> int:
        drawn[number].set()
        return number

    items = read_ahead(draw, range(4), 2)
    assert next(items) == 0
    assert drawn[2].wait(timeout=10)
    assert not drawn[3].is_set()
    assert list(items) == [1, 2, 3]


def test_error_in_the_thread_reaches_the_consumer() -> None:
    def draw(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(KeyError):
        next(read_ahead(draw, range(4), 1))
