"""Open the socket of a review and serve it until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import uvicorn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, ignore
from onestory_cli.review.server import ReviewServer
from onestory_cli.review.session import ReviewSession

TICK_SECONDS = 0.5


def open_server(
    run: Path,
    story: Path | None,
    *,
    profile: str | None = None,
    read_only: bool = False,
    device: str = "auto",
    display: Callable[[], AbstractContextManager[Emit]] = lambda: nullcontext(ignore),
    require_story: bool = True,
) -> ReviewServer:
    """A server for a run and its story, with a random token. `display` shows the events of its renders.

    Raises:
        OnestoryError: the run or, if nothing is rendered yet, the story cannot be read.
    """
    session = ReviewSession(run, story, profile=profile)
    if require_story and session.snapshot().film is None:
        session.current_plan()  # raises what is wrong with the story
    return ReviewServer(session, token=secrets.token_urlsafe(24), read_only=read_only, device=device, display=display)


def serve(
    server: ReviewServer,
    *,
    port: int,
    started: Callable[[ReviewServer], None],
    ending: Callable[[], object] = lambda: None,
) -> None:
    """Serve on 127.0.0.1 until Ctrl-C or SIGTERM. `started` is called when the address is known, `ending` at the end.

    Raises:
        OnestoryError: U608 if the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as fault:
            help = "choose another port with --port, or none to get a free one"
            message = f"port {port} cannot be used: {fault.strerror}"
            raise OnestoryError("U608", message, help=help, exit=ExitCode.MACHINE) from fault
        server.port = listener.getsockname()[1]
        config = uvicorn.Config(server.app(), log_level="error", access_log=False, timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # how a review ends
            asyncio.run(NotifyingServer(config, lambda: started(server), server.end_streams).serve(sockets=[listener]))
        ending()


class NotifyingServer(uvicorn.Server):
    """Calls `started` when it accepts connections."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(config)
        self._started, self._ending = started, ending

    async def shutdown(self, sockets: Any = None) -> None:
        """End the streams of open pages first: the server waits for their connections."""
        self._ending()
        await super().shutdown(sockets)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the server on Ctrl-C and SIGTERM. Uvicorn raises them again, which is an error here."""
        before = {}
        if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def main_loop(self) -> None:
        """Look for a signal twice a second instead of ten times, which would cost 1 % of a processor."""
        while not await self.on_tick(0):
            await asyncio.sleep(TICK_SECONDS)
