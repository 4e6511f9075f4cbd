"""Server-sent events for the open pages of a review."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any


class Broadcast:
    """Sends events to all open pages. `send` may be called from any thread."""

    def __init__(self) -> None:
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    def send(self, name: str, document: Any, *, version: int | None = None) -> None:
        """Send an event to every page that is open. A page that connects again names the last `version` it got."""
        self.call(self._put, format_event(name, document, version=version))

    def call(self, act: Callable[..., object], *arguments: object) -> None:
        """Call a function in the thread of the server."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *arguments)

    def end(self) -> None:
        """End the streams of all pages. Call it in the thread of the server."""
        self._put(None)

    def _put(self, text: str | None) -> None:
        for page in self._pages:
            page.put_nowait(text)

    async def stream(self, first: Callable[[], str]) -> AsyncIterator[str]:
        """The events of one page, as server-sent events. `first` is called when no later event can be missed.

        A comment every 15 seconds finds closed connections.
        """
        page: asyncio.Queue[str | None] = asyncio.Queue()
        self._pages.add(page)
        try:
            yield first()
            while True:
                try:
                    text = await asyncio.wait_for(page.get(), 15)
                except TimeoutError:
                    text = ": still here\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._pages.discard(page)


def format_event(name: str, document: Any, *, version: int | None = None) -> str:
    """An event as its stream contains it."""
    id = "" if version is None else f"id: {version}\n"
    return f"{id}event: {name}\ndata: {json.dumps(document)}\n\n"
