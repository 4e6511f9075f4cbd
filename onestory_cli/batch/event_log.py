"""What a run says to those who cannot hear it: its events.jsonl, read as it grows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Event
from onestory_cli.store.layout import EVENTS


class Log:
    """The events that are appended from now on. Steps are not among them: they are not kept."""

    def __init__(self, run: Path) -> None:
        self._path = run / EVENTS
        self._at = self._path.stat().st_size if self._path.exists() else 0

    def new(self) -> Iterator[Event]:
        """Those since the last look; a line that is not whole yet waits for the next one."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            if event := _event_of(line):
                yield event


def _event_of(line: bytes) -> Event | None:
    """An event as `Run.log` wrote it; None for one that this version does not know."""
    try:
        fields = json.loads(line)
        kind = getattr(events, fields.pop("event"))
        fields.pop("time")
        event = kind(**fields)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return event if isinstance(event, Event) else None
