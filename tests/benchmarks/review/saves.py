"""`onestory watch`: from the save of a story to its findings, and to the page of the new draft."""

from __future__ import annotations

import http.client
import os
import queue
import tempfile
import threading
import time
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tests.benchmarks.review.figure import Figure, seconds
from tests.benchmarks.review.films import server, story_text

TURNS = 5
ACTIONS = ("waves", "stands", "jumps", "walks left", "runs")  # each makes a new take
WAIT = 60.0  # seconds for a line or an event


class Arrivals:
    """Lines of a stream, each with the time when it arrived."""

    def __init__(self, stream: IO[str] | http.client.HTTPResponse) -> None:
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str] | http.client.HTTPResponse) -> None:
        for line in stream:
            self._lines.put((time.monotonic(), line if isinstance(line, str) else line.decode()))

    def wait(self, *parts: str) -> float:
        """The arrival of the next line that contains all parts."""
        while True:
            arrived, line = self._lines.get(timeout=WAIT)
            if all(part in line for part in parts):
                return arrived


def watching(folder: Path) -> list[Figure]:
    """Save a broken story for its findings, then edited captions of a film of one shot for its draft."""
    with tempfile.TemporaryDirectory() as place:
        story = Path(place) / "draft.story.yaml"
        good = story_text("One Shot", 1, "seed: 3, frames: 17") + "profiles:\n  draft: {steps: 4}\n"
        story.write_text(good)
        with server("watch", str(story)) as (process, address):
            assert process.stderr
            lines, events = Arrivals(process.stderr), _events(address)
            events.wait('"state": "rendering"')
            events.wait('"state": "idle"')
            broken, drafted = [], []
            for turn in range(TURNS):
                saved = save(story, good.replace("$fox", f"$fux{turn}"))
                broken.append(lines.wait("S104") - saved)
                saved = save(story, good.replace("walks right", ACTIONS[turn]))
                drafted.append(events.wait('"shots": ["shot-0"]', '"stale": {}', '"findings": []') - saved)
    return [
        seconds("watch: save to findings", broken, 0.3),
        seconds("watch: save to the refreshed draft of one shot", drafted, 4.0),
    ]


def save(path: Path, text: str) -> float:
    """Write a file as most editors do: a new one takes its place. Returns the time of that."""
    draft = path.with_name(f".{path.name}.swp")
    draft.write_text(text)
    os.replace(draft, path)
    return time.monotonic()


def _events(address: str) -> Arrivals:
    """The events that the page gets."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=WAIT)
    connection.request("GET", f"{parts.path}events")
    return Arrivals(connection.getresponse())
