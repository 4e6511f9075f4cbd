"""The first and the second signal. tests/test_process.py tests whole processes."""

from __future__ import annotations

import signal
import threading

import pytest

from onestory_cli.commands._signals import SIGNALS, StopSignals
from onestory_cli.errors import ExitCode


@pytest.mark.parametrize(
    ("number", "exit"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_first_signal_requests_a_stop_and_second_one_exits(number: signal.Signals, exit: ExitCode) -> None:
    noticed: list[bool] = []
    with StopSignals(lambda: noticed.append(True)) as signals:
        assert not signals.asked()
        signal.raise_signal(number)
        assert signals.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert noticed == [True]
    assert signals.exit is exit


def test_second_signal_can_be_another_but_the_first_sets_the_exit_code() -> None:
    with StopSignals(lambda: None) as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signals.exit is ExitCode.TERMINATED


def test_previous_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignals(lambda: None):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals(lambda: None) as signals:
            signal.raise_signal(signal.SIGINT)
        assert not signals.asked()
    finally:
        signal.signal(signal.SIGINT, before)


def test_busy_stream_loses_only_the_notice() -> None:
    def notice() -> None:
        raise RuntimeError("reentrant call")

    with StopSignals(notice) as signals:
        signal.raise_signal(signal.SIGTERM)
    assert signals.asked()


def test_other_threads_do_not_install_handlers() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with StopSignals(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
