"""A few random histories of a film; `python -m tests.faults.sequences` runs 200, see sequences.log.md."""

from __future__ import annotations

import numpy as np
import pytest

from tests.faults import sequences
from tests.faults.sequences import FilmHistory, run_sequences


def test_every_history_ends_in_the_film_of_a_fresh_render() -> None:
    run_sequences(4, 8)


@pytest.mark.fault
def test_sixty_longer_histories() -> None:
    run_sequences(60, 16, derandomize=False)


def test_another_film_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "fresh_film", lambda plan, records: {name: np.zeros(1) for name in records})
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_sequences(1, 1)


def test_an_accepted_take_stays_chosen_when_its_shot_gets_an_id_that_another_shot_had() -> None:
    history = FilmHistory()
    history.write()
    history.rename(place=0)  # opening is now return
    history.take(place=1)
    history.accept(place=1, number=1)
    history.rename(place=0)  # opening again
    history.rename(place=1)  # city is now return, which the run still knows as the first shot
    history.teardown()
