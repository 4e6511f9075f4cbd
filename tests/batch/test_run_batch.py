"""A batch from its films to batch.json: what it says at any instant, what ends it, and how it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from onestory_cli.batch.dispatch import Crew, Ended, Message, Ready
from onestory_cli.batch.films import Film, prepare
from onestory_cli.batch.render_story import Models, Work, render_story
from onestory_cli.batch.result import FILE
from onestory_cli.batch.run_batch import Hands, Planned, run_batch
from onestory_cli.errors import ExitCode
from onestory_cli.events import Event, FilmEnded, FilmStarted
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.batch.conftest import Tell


class Here:
    """A crew of one, in this process."""

    def __init__(self) -> None:
        self._models = Models(Work(device="cpu", threads=1))
        self._messages: list[Message] = [Ready(worker="1")]

    def hear(self, seconds: float) -> Iterable[Message]:
        messages, self._messages = self._messages, []
        return messages

    def give(self, worker: str, film: Film) -> None:
        self._messages.append(Ended(worker=worker, outcome=render_story(film.run, self._models)))

    def stop(self) -> None:
        """Nothing is being made whenever this is called."""


@contextmanager
def here() -> Iterator[Crew]:
    yield Here()


HANDS = Hands(where="local", workers=1, hire=here)


def states_in(out: Path) -> list[str]:
    document: dict[str, Any] = json.loads((out / FILE).read_bytes())
    return [film["state"] for film in document["films"]]


def held(plans: list[Planned], which: int, stack: ExitStack) -> None:
    """Another process, as it were, works on the film."""
    prepare(plans[which].film, plans[which].plan)
    stack.enter_context(lock_run(Run.open(plans[which].film.run)))


def test_batch_json_is_true_at_any_instant(tell: Tell) -> None:
    plans, seen = tell(2), list[list[str]]()
    out = plans[0].film.run.parent

    def look(event: Event) -> None:
        if isinstance(event, FilmStarted | FilmEnded):
            seen.append(states_in(out))

    assert run_batch(plans, out, HANDS, look).exit is ExitCode.DONE
    assert seen == [["left", "left"], ["done", "left"], ["done", "left"], ["done", "done"]]


def test_a_film_that_cannot_be_made_keeps_no_other_from_being_made_and_the_same_batch_goes_on(tell: Tell) -> None:
    plans = tell(2)
    out = plans[0].film.run.parent
    with ExitStack() as stack:
        held(plans, 0, stack)
        result = run_batch(plans, out, HANDS)
    assert result.exit is ExitCode.PARTIAL
    assert states_in(out) == ["failed", "done"]
    assert run_batch(plans, out, HANDS).exit is ExitCode.DONE
    assert [(row.outcome.rendered, row.outcome.kept) for row in run_batch(plans, out, HANDS).rows] == 2 * [(0, 2)]


def test_unless_the_first_failure_is_to_end_it(tell: Tell) -> None:
    plans = tell(2)
    with ExitStack() as stack:
        held(plans, 0, stack)
        result = run_batch(plans, plans[0].film.run.parent, HANDS, fail_fast=True)
    assert result.exit is ExitCode.PARTIAL
    assert [row.outcome.state for row in result.rows] == ["failed", "left"]
