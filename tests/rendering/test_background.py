"""The background queue."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from onestory_cli.rendering.background import BackgroundQueue


def test_jobs_run_in_order_in_the_background() -> None:
    done: list[tuple[int, int]] = []
    heard: list[int] = []
    with BackgroundQueue() as behind:
        for number in range(20):
            behind.add(lambda number=number: done.append((number, threading.get_ident())) or number, heard.append)
        behind.wait()
    assert [number for number, _ in done] == heard == list(range(20))
    assert {thread for _, thread in done}.isdisjoint({threading.get_ident()})


def test_polling_does_not_block() -> None:
    go = threading.Event()
    heard: list[bool] = []
    with BackgroundQueue() as behind:
        behind.add(go.wait, heard.append)
        behind.poll()
        assert heard == []
        go.set()
        behind.wait()
    assert heard == [True]


def test_error_is_raised_once_and_stops_later_jobs() -> None:
    done: list[str] = []
    with BackgroundQueue() as behind:
        behind.add(lambda: 1 / 0, done.append)
        behind.add(lambda: done.append("later"), done.append)
        with pytest.raises(ZeroDivisionError):
            behind.wait()
        behind.poll()
    assert done == []


def test_leaving_the_block_finishes_added_jobs_after_an_error() -> None:
    done: list[str] = []
    behind = BackgroundQueue()
    behind.add(lambda: done.append("a take"), done.append)
    with pytest.raises(KeyError), behind:
        raise KeyError
    assert done == ["a take"]


def test_interrupt_while_leaving_waits_for_the_current_job_only(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    done: list[str] = []
    behind = BackgroundQueue()
    behind.add(lambda: go.wait() and done.append("in work"), done.append)
    behind.add(lambda: done.append("later"), done.append)
    shut = behind._thread.shutdown

    def interrupted() -> None:
        monkeypatch.setattr(behind._thread, "shutdown", shut)
        threading.Timer(0.05, go.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(behind._thread, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt), behind:
        pass
    assert done == ["in work"]
    with pytest.raises(CancelledError):
        behind._tasks[-1][0].result()
