"""The display of a batch: plain lines, and a live table."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from onestory_cli import events
from onestory_cli.console import batch_progress
from onestory_cli.console.batch_progress import BatchLines, BatchTable


def film_event(film: str, event: events.Event) -> events.FilmTold:
    return events.FilmTold(film=film, kind=type(event).__name__, told=event)


def committed(shot: str) -> events.TakeCommitted:
    return events.TakeCommitted(shot=shot, take="0" * 12, seconds=10.0, memory_bytes=0)


ENDED = events.FilmEnded(film="kite", state="done", rendered=2, kept=0, seconds=20.0)
BEGINNING = (
    events.BatchStarted(films=2, shots=4, workers=1, where="local"),
    events.FilmStarted(film="kite", worker="1", shots=2, attempt=1),
)


def shown(item: BatchTable) -> str:
    out = io.StringIO()
    RichConsole(file=out, width=100).print(item)
    return out.getvalue()


def step(number: int, steps: int = 4) -> events.FilmTold:
    return film_event("kite", events.StepDone(shot="return", step=number, steps=steps, seconds=1.0))


def test_the_table_shows_running_films_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, item = [100.0], BatchTable()
    monkeypatch.setattr(batch_progress, "now", lambda: clock[0])
    for event in BEGINNING:
        item(event)
    item(film_event("kite", events.ShotKept(shot="opening", take="0" * 12, reason="kept")))
    item(film_event("kite", events.ShotStarted(shot="return", index=1, shots=2, reason="new", steps=4)))
    clock[0] = 160.0  # loading the model took a minute, and happens once
    assert item.time_left() == ""
    item(step(1))
    clock[0] = 163.0
    item(step(2))
    assert (
        item.time_left() == "20 s left"
    )  # half of a shot took 4 s, from where the first step began; 2.5 shots are left
    text = shown(item)
    assert "kite" in text
    assert "1/2" in text
    assert "step 2/4 of return" in text
    assert "0 of 2 films" in text
    item(ENDED)
    assert "kite" not in shown(item)
    assert "1 of 2 films" in shown(item)


def test_remote_workers_report_checkpoints_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, item = [100.0], BatchTable()
    monkeypatch.setattr(batch_progress, "now", lambda: clock[0])
    for event in BEGINNING:
        item(event)
    item(film_event("kite", events.ShotStarted(shot="opening", index=0, shots=2, reason="new", steps=4)))
    clock[0] = 110.0
    item(film_event("kite", events.PartialKept(shot="opening", step=2, steps=4)))
    assert item.time_left() == "1:10 left"
    assert "step 2/4 of opening" in shown(item)


def test_in_80_columns_a_film_is_one_line_with_the_end_of_its_name() -> None:
    item = BatchTable()
    item(events.BatchStarted(films=2, shots=12, workers=2, where="local"))
    for worker, film in enumerate(("the-lost-kite-over-the-harbour-seed1-f3f985db", "kite-seed2-fc5e1ecf")):
        item(events.FilmStarted(film=film, worker=str(worker), shots=6, attempt=1))
        item(film_event(film, events.StepDone(shot="opening-on-the-windy-beach", step=5, steps=40, seconds=1.0)))
    out = io.StringIO()
    RichConsole(file=out, width=80).print(item)
    first, second, last = out.getvalue().splitlines()
    assert "seed1-f3f985db" in first
    assert first.rstrip().endswith("w 0")
    assert "step 5/40 of openi…beach  w 1" in second
    assert last.startswith("0 of 2 films")


def test_a_film_that_lost_its_worker_leaves_the_table() -> None:
    item = BatchTable()
    for event in (*BEGINNING, events.WorkerLost(worker="1", film="kite", why="killed by SIGKILL")):
        item(event)
    assert "kite" not in shown(item)


def test_each_film_that_ends_is_one_line() -> None:
    out = io.StringIO()
    lines = BatchLines(RichConsole(file=out, width=1000))
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
    for event in (
        *BEGINNING,
        film_event("kite", committed("opening")),
        film_event("kite", warning),
        ENDED,
        lost,
        failed,
        ends,
    ):
        lines(event)
    assert out.getvalue().splitlines() == [
        "2 films, 4 shots, 1 worker, local",
        "kite: warning[W406] damaged",
        "[1/2] kite: done, 2 rendered, 0 kept in 20 s",
        "worker 1 was lost, killed by SIGKILL; fox resumes from its run directory",
        "[2/2] fox: failed, 1 rendered, 0 kept in 1.0 s: error[S216] no picture (put it back)",
        "1 done, 1 failed in 21 s",
    ]
