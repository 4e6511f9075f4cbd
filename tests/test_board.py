"""What is shown of a batch, as plain lines and as a table that moves."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from onestory_cli import board, events
from onestory_cli.board import Board, FilmLines


def told(film: str, event: events.Event) -> events.FilmTold:
    return events.FilmTold(film=film, kind=type(event).__name__, told=event)


def committed(shot: str) -> events.TakeCommitted:
    return events.TakeCommitted(shot=shot, take="0" * 12, seconds=10.0, memory_bytes=0)


ENDED = events.FilmEnded(film="kite", state="done", rendered=2, kept=0, seconds=20.0)
BEGINNING = (
    events.BatchStarted(films=2, shots=4, workers=1, where="local"),
    events.FilmStarted(film="kite", worker="1", shots=2, attempt=1),
)


def shown(item: Board) -> str:
    out = io.StringIO()
    RichConsole(file=out, width=100).print(item)
    return out.getvalue()


def test_the_board_shows_films_at_work_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, item = [100.0], Board()
    monkeypatch.setattr(board, "now", lambda: clock[0])
    for event in BEGINNING:
        item(event)
    assert item.left() == ""
    item(told("kite", committed("opening")))
    item(
        told("kite", events.ShotStarted(shot="return", index=1, shots=2, reason="new", steps=4)),
    )
    item(told("kite", events.StepDone(shot="return", step=2, steps=4, seconds=1.0)))
    clock[0] = 115.0
    assert item.left() == "25 s left"  # a shot and a half took 15 s; two and a half are left
    text = shown(item)
    assert "kite" in text
    assert "1/2" in text
    assert "return, step 2/4" in text
    assert "0 of 2 films" in text
    item(ENDED)
    assert "kite" not in shown(item)
    assert "1 of 2 films" in shown(item)


def test_a_film_that_lost_its_worker_leaves_the_board() -> None:
    item = Board()
    for event in (*BEGINNING, events.WorkerLost(worker="1", film="kite", why="killed by SIGKILL")):
        item(event)
    assert "kite" not in shown(item)


def test_a_line_for_each_film_that_ends() -> None:
    out = io.StringIO()
    lines = FilmLines(RichConsole(file=out, width=1000))
    warning = events.Warned(code="W406", message="damaged")
    failed = events.FilmEnded(
        film="fox",
        state="failed",
        rendered=1,
        kept=0,
        seconds=1.0,
        code="S216",
        message="no picture",
        help="put it back",
    )
    lost = events.WorkerLost(worker="1", film="fox", why="killed by SIGKILL")
    ends = events.BatchEnded(states={"done": 1, "failed": 1}, seconds=21.0)
    for event in (*BEGINNING, told("kite", committed("opening")), told("kite", warning), ENDED, lost, failed, ends):
        lines(event)
    assert out.getvalue().splitlines() == [
        "2 films, 4 shots, 1 worker, local",
        "kite: warning[W406] damaged",
        "[1/2] kite: done, 2 rendered, 0 kept in 20 s",
        "worker 1 was lost, killed by SIGKILL; fox goes on from its directory",
        "[2/2] fox: failed, 1 rendered, 0 kept in 1.0 s: error[S216] no picture (put it back)",
        "1 done, 1 failed in 21 s",
    ]
