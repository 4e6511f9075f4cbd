"""What the first and the second signal do. That a whole program ends well is tested in tests/test_cli.py."""

from __future__ import annotations

import signal
import threading

import pytest

from onestory_cli.commands._signals import SIGNALS, StopSignals
from onestory_cli.errors import ExitCode


@pytest.mark.parametrize(
    ("number", "exit"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_the_first_asks_and_the_second_ends(number: signal.Signals, exit: ExitCode) -> None:
    noticed: list[bool] = []
    with StopSignals(lambda: noticed.append(True)) as signals:
        assert not signals.asked()
        signal.raise_signal(number)
        assert signals.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert noticed == [True]
    assert signals.exit is exit


def test_any_signal_is_the_second_one_and_the_first_gives_the_exit_code() -> None:
    with StopSignals(lambda: None) as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signals.exit is ExitCode.TERMINATED


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignals(lambda: None):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals(lambda: None) as signals:
            signal.raise_signal(signal.SIGINT)
        assert not signals.asked()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_stream_that_is_being_written_costs_the_notice_alone() -> None:
    def notice() -> None:
        raise RuntimeError("reentrant call")

    with StopSignals(notice) as signals:
        signal.raise_signal(signal.SIGTERM)
    assert signals.asked()


def test_in_another_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with StopSignals(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
