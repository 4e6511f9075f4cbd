"""Follow the events.jsonl of a run that another process writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Event
from onestory_cli.store.layout import EVENTS
from onestory_cli.utils.untrusted import open_regular

MAX_READ = 16 * 2**20  # bytes at once; a longer line is never written


class EventLog:
    """Reads events appended after this object was created. StepDone and NodeStep are not logged."""

    def __init__(self, run: Path) -> None:
        self._path = run / EVENTS
        self._at = self._path.stat().st_size if self._path.exists() else 0

    def new(self) -> Iterator[Event]:
        """Yield the events since the last call. An incomplete last line is left for the next call."""
        try:
            with open_regular(self._path) as file:
                file.seek(self._at)
                data = file.read(MAX_READ)
        except (FileNotFoundError, ValueError):
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            if event := _event_of(line):
                yield event


def _event_of(line: bytes) -> Event | None:
    """Parse a line written by `Run.log`; None if this version has no such event."""
    try:
        fields = json.loads(line)
        kind = getattr(events, fields.pop("event"))
        fields.pop("time")
        event = kind(**fields)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return event if isinstance(event, Event) else None
