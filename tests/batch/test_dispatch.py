"""Who gets which film, and what happens when workers fail or are lost; the crew acts from a list of what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from onestory_cli.batch.dispatch import MOST_ATTEMPTS, MOST_LOST, Dispatch, Ended, Lost, Message, Ready
from onestory_cli.batch.films import Film
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, FilmEnded, FilmStarted, WorkerLost
from onestory_cli.rendering.options import never_stop

DONE = Outcome(state="done", rendered=2)
FAILED = Outcome(state="failed", code="S216", message="no picture")


def film(name: str) -> Film:
    return Film(name=name, story=Path("x"), profile=None, seed=None, settings=(), run=Path(name))


class Acting:
    """A crew whose workers do what `act` says of a film: an outcome, or why they are lost."""

    def __init__(self, workers: int, act: Callable[[str], Outcome | str]) -> None:
        self._act, self._number = act, workers
        self._messages: list[Message] = [Ready(worker=str(number)) for number in range(workers)]
        self.stopped = False

    def hear(self, seconds: float) -> Iterable[Message]:
        messages, self._messages = self._messages, []
        return messages

    def give(self, worker: str, film: Film) -> None:
        end = self._act(film.name)
        if isinstance(end, Outcome):
            self._messages.append(Ended(worker=worker, outcome=end))
        else:
            self._number += 1
            self._messages += [Lost(worker=worker, why=end), Ready(worker=str(self._number))]

    def stop(self) -> None:
        self.stopped = True


def dispatch(
    names: str,
    act: Callable[[str], Outcome | str],
    *,
    workers: int = 1,
    fail_fast: bool = False,
    stop: Callable[[], bool] = never_stop,
) -> tuple[dict[str, Outcome], list[Event], Acting]:
    outcomes: dict[str, Outcome] = {}
    heard: list[Event] = []
    crew = Acting(workers, act)
    films = [film(name) for name in names]
    shots = dict.fromkeys(names, 2)
    Dispatch(films, shots, crew, heard.append, stop=stop, fail_fast=fail_fast, ended=outcomes.__setitem__).run()
    return outcomes, heard, crew


def test_every_film_is_made_once() -> None:
    outcomes, heard, _ = dispatch("abc", lambda name: DONE, workers=2)
    assert {name: item.state for name, item in outcomes.items()} == dict.fromkeys("abc", "done")
    assert [(item.film, item.worker) for item in heard if isinstance(item, FilmStarted)] == [
        ("a", "0"),
        ("b", "1"),
        ("c", "0"),
    ]


def test_a_film_that_fails_keeps_no_other_from_being_made() -> None:
    outcomes, heard, crew = dispatch("abc", lambda name: FAILED if name == "a" else DONE)
    assert [outcomes[name].state for name in "abc"] == ["failed", "done", "done"]
    assert [item.code for item in heard if isinstance(item, FilmEnded)] == ["S216", "", ""]
    assert not crew.stopped


def test_unless_it_shall() -> None:
    outcomes, _, crew = dispatch("abc", lambda name: FAILED if name == "b" else DONE, fail_fast=True)
    assert {name: item.state for name, item in outcomes.items()} == {"a": "done", "b": "failed"}
    assert crew.stopped


def test_a_film_whose_worker_was_lost_goes_on_with_another_before_new_ones() -> None:
    fates = iter(["killed", DONE, DONE])
    outcomes, heard, _ = dispatch("ab", lambda name: next(fates))
    assert [(item.film, item.worker, item.attempt) for item in heard if isinstance(item, FilmStarted)] == [
        ("a", "0", 1),
        ("a", "2", 2),
        ("b", "2", 1),
    ]
    assert outcomes["a"].attempts == 2
    assert [item.film for item in heard if isinstance(item, WorkerLost)] == ["a"]


def test_a_film_that_takes_all_its_workers_with_it_fails_alone() -> None:
    outcomes, _, _ = dispatch("ab", lambda name: "killed by SIGKILL" if name == "a" else DONE)
    assert (outcomes["a"].state, outcomes["a"].code, outcomes["a"].attempts) == ("failed", "B803", MOST_ATTEMPTS)
    assert outcomes["b"].state == "done"


def test_the_way_on_can_be_pasted_where_the_path_has_spaces() -> None:
    outcomes: dict[str, Outcome] = {}
    crew = Acting(1, lambda name: "killed by SIGKILL")
    work = Dispatch(
        [film("my film")],
        {"my film": 2},
        crew,
        list[Event]().append,
        stop=never_stop,
        fail_fast=False,
        ended=outcomes.__setitem__,
    )
    work.run()
    assert outcomes["my film"].help == "try it alone: `onestory resume 'my film'`"


def test_a_worker_that_was_stopped_alone_is_as_one_that_was_lost() -> None:
    fates = iter([Outcome(state="stopped"), DONE])
    outcomes, _, _ = dispatch("a", lambda name: next(fates))
    assert (outcomes["a"].state, outcomes["a"].attempts) == ("done", 2)


def test_after_a_stop_nothing_is_begun() -> None:
    asked: list[bool] = []

    def act(name: str) -> Outcome:
        asked.append(True)
        return Outcome(state="stopped")

    outcomes, _, crew = dispatch("abc", act, stop=lambda: bool(asked))
    assert {name: item.state for name, item in outcomes.items()} == {"a": "stopped"}
    assert crew.stopped


def test_idle_workers_that_leave_when_asked_are_no_reason_to_end_the_one_at_work() -> None:
    class Leaving(Acting):
        def stop(self) -> None:
            self._messages += [Lost(worker=str(number), why="ended with 0") for number in range(1, self._number)]
            self._messages.append(Ended(worker="0", outcome=Outcome(state="stopped")))

        def give(self, worker: str, film: Film) -> None:
            asked.append(True)

    crew, asked, outcomes = Leaving(MOST_LOST + 2, lambda name: DONE), list[bool](), dict[str, Outcome]()
    work = Dispatch(
        [film("a")],
        {"a": 1},
        crew,
        list[Event]().append,
        stop=lambda: bool(asked),
        fail_fast=False,
        ended=outcomes.__setitem__,
    )
    work.run()
    assert outcomes["a"].state == "stopped"


def test_workers_that_never_come_up_end_it() -> None:
    class Stillborn(Acting):
        def hear(self, seconds: float) -> Iterable[Message]:
            return [Lost(worker="1", why="ended with 1")]

    crew, lost = Stillborn(0, lambda name: DONE), list[Event]()
    ended: dict[str, Outcome] = {}
    work = Dispatch([film("a")], {"a": 1}, crew, lost.append, stop=never_stop, fail_fast=False, ended=ended.__setitem__)
    with pytest.raises(OnestoryError) as caught:
        work.run()
    assert caught.value.code == "B804"
    assert len(lost) == MOST_LOST
