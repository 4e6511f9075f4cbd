"""Following the log of a run: complete lines only, each once."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.batch.event_log import EventLog
from onestory_cli.events import ShotKept
from onestory_cli.store.layout import EVENTS
from onestory_cli.store.run import Run
from onestory_cli.store.writer import RunWriter


def test_complete_lines_are_read_once(tmp_path: Path) -> None:
    run, kept = Run.create(tmp_path / "film.run"), ShotKept(shot="opening", take="0", reason="kept")
    nothing = EventLog(run.path)
    assert list(nothing.new()) == []
    RunWriter(run).log(kept)
    assert list(nothing.new()) == [kept]
    log = EventLog(run.path)
    RunWriter(run).log(kept)
    assert list(log.new()) == [kept]
    assert list(log.new()) == []
    with (run.path / EVENTS).open("ab") as file:
        file.write(b'{"event": "ShotKept", "time": 1, "shot": "city"')
        file.flush()
        assert list(log.new()) == []
        file.write(b', "take": "1", "reason": ""}\n{"event": "Unheard", "time": 1}\n{"event": "Emit", "time": 1}\n')
    assert list(log.new()) == [ShotKept(shot="city", take="1", reason="")]
