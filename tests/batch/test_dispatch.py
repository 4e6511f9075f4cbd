"""Assignment of films to workers, and failed or lost workers. A scripted pool plays the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.batch.dispatch import MAX_ATTEMPTS, MAX_LOST, Dispatch, Ended, Lost, Message, Ready
from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, FilmEnded, FilmStarted, WorkerLost
from onestory_cli.rendering.render import never_stop

DONE = Outcome(state="done", rendered=2)
FAILED = Outcome(state="failed", code="S216", message="no picture")


def film(name: str) -> BatchFilm:
    return BatchFilm(name=name, story=Path("x"), profile=None, seed=None, settings=(), run=Path(name))


class Acting:
    """A pool of workers that do what `act` returns for a film: an outcome, or the reason why the worker is lost."""

    def __init__(self, workers: int, act: Callable[[str], Outcome | str]) -> None:
        self._act, self._number = act, workers
        self._messages: list[Message] = [Ready(worker=str(number)) for number in range(workers)]
        self.stopped = False

    def poll(self, seconds: float) -> Iterable[Message]:
        messages, self._messages = self._messages, []
        return messages

    def submit(self, worker: str, film: BatchFilm) -> None:
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


def test_every_film_is_rendered_once() -> None:
    outcomes, heard, _ = dispatch("abc", lambda name: DONE, workers=2)
    assert {name: item.state for name, item in outcomes.items()} == dict.fromkeys("abc", "done")
    assert [(item.film, item.worker) for item in heard if isinstance(item, FilmStarted)] == [
        ("a", "0"),
        ("b", "1"),
        ("c", "0"),
    ]


def test_a_failed_film_does_not_stop_the_others() -> None:
    outcomes, heard, crew = dispatch("abc", lambda name: FAILED if name == "a" else DONE)
    assert [outcomes[name].state for name in "abc"] == ["failed", "done", "done"]
    assert [item.code for item in heard if isinstance(item, FilmEnded)] == ["S216", "", ""]
    assert not crew.stopped


def test_fail_fast_stops_the_others() -> None:
    outcomes, _, crew = dispatch("abc", lambda name: FAILED if name == "b" else DONE, fail_fast=True)
    assert {name: item.state for name, item in outcomes.items()} == {"a": "done", "b": "failed"}
    assert crew.stopped


def test_a_film_of_a_dead_worker_is_reassigned_first() -> None:
    fates = iter(["killed", DONE, DONE])
    outcomes, heard, _ = dispatch("ab", lambda name: next(fates))
    assert [(item.film, item.worker, item.attempt) for item in heard if isinstance(item, FilmStarted)] == [
        ("a", "0", 1),
        ("a", "2", 2),
        ("b", "2", 1),
    ]
    assert outcomes["a"].attempts == 2
    assert [item.film for item in heard if isinstance(item, WorkerLost)] == ["a"]


def test_a_film_that_kills_its_workers_fails_alone() -> None:
    outcomes, _, _ = dispatch("ab", lambda name: "killed by SIGKILL" if name == "a" else DONE)
    assert (outcomes["a"].state, outcomes["a"].code, outcomes["a"].attempts) == ("failed", "B803", MAX_ATTEMPTS)
    assert outcomes["b"].state == "done"


def test_help_quotes_paths_with_spaces() -> None:
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
    assert outcomes["my film"].help == "render it alone: `onestory resume 'my film'`"


def test_a_film_of_a_stopped_worker_is_reassigned() -> None:
    fates = iter([Outcome(state="stopped"), DONE])
    outcomes, _, _ = dispatch("a", lambda name: next(fates))
    assert (outcomes["a"].state, outcomes["a"].attempts) == ("done", 2)


def test_no_film_starts_after_a_stop() -> None:
    asked: list[bool] = []

    def act(name: str) -> Outcome:
        asked.append(True)
        return Outcome(state="stopped")

    outcomes, _, crew = dispatch("abc", act, stop=lambda: bool(asked))
    assert {name: item.state for name, item in outcomes.items()} == {"a": "stopped"}
    assert crew.stopped


def test_idle_workers_that_exit_on_request_do_not_end_the_batch() -> None:
    class Leaving(Acting):
        def stop(self) -> None:
            self._messages += [Lost(worker=str(number), why="ended with 0") for number in range(1, self._number)]
            self._messages.append(Ended(worker="0", outcome=Outcome(state="stopped")))

        def submit(self, worker: str, film: BatchFilm) -> None:
            asked.append(True)

    crew, asked, outcomes = Leaving(MAX_LOST + 2, lambda name: DONE), list[bool](), dict[str, Outcome]()
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


def test_workers_that_never_start_end_the_batch() -> None:
    class Stillborn(Acting):
        def poll(self, seconds: float) -> Iterable[Message]:
            return [Lost(worker="1", why="ended with 1")]

    crew, lost = Stillborn(0, lambda name: DONE), list[Event]()
    ended: dict[str, Outcome] = {}
    work = Dispatch([film("a")], {"a": 1}, crew, lost.append, stop=never_stop, fail_fast=False, ended=ended.__setitem__)
    with pytest.raises(OnestoryError) as caught:
        work.run()
    assert caught.value.code == "B804"
    assert len(lost) == MAX_LOST


def test_a_server_renders_one_film_at_a_time() -> None:
    """Two workers and two films per server: a worker takes a film of the other server, or waits."""
    pairs: list[list[str]] = []

    class Slow(Acting):
        """Films end only when no message is left, so that both workers are busy."""

        films: list[tuple[str, str]] = []  # noqa: RUF012, worker and film; one instance

        def poll(self, seconds: float) -> Iterable[Message]:
            if self._messages:
                return super().poll(seconds)
            pairs.append(sorted(name for _, name in self.films))
            ended = [Ended(worker=worker, outcome=DONE) for worker, _ in self.films]
            self.films.clear()
            return ended

        def submit(self, worker: str, film: BatchFilm) -> None:
            self.films.append((worker, film.name))

    pool = Slow(2, lambda name: DONE)
    films = [replace(film(name), server=name[0]) for name in ("a1", "a2", "a3", "b1")]
    shots = {item.name: 1 for item in films}
    ended: list[str] = []
    Dispatch(
        films,
        shots,
        pool,
        lambda event: None,
        stop=never_stop,
        fail_fast=False,
        ended=lambda name, _: ended.append(name),
    ).run()
    assert pairs == [["a1", "b1"], ["a2"], ["a3"]]
    assert sorted(ended) == ["a1", "a2", "a3", "b1"]
