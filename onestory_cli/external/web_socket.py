"""Wait for a prompt: by the messages of the server's web socket, or by asking again after a pause."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from onestory_cli.external.progress import PromptMessage, parse_message

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

PACKAGE = "websockets"
POLL_SECONDS = (0.02, 0.05, 0.1, 0.2)  # between two requests without a web socket; the last one repeats
SOCKET_POLL_SECONDS = 1.0  # with a web socket, in case the last message is lost
MAX_MESSAGE_BYTES = 16 * 2**20
OPEN_SECONDS, CLOSE_SECONDS = 5.0, 0.5
_PAUSE_SECONDS = 0.2


class Waiter(Protocol):
    """Waits between two requests about a prompt."""

    def messages(self) -> Iterator[PromptMessage | None]:
        """The messages until it is time for the next request; None several times a second while there are none."""


class PollingWaiter:
    """Waits without messages: a short time at first, then longer."""

    def __init__(self) -> None:
        self._pauses = iter(POLL_SECONDS)

    def messages(self) -> Iterator[PromptMessage | None]:
        """One pause; see `Waiter`."""
        time.sleep(next(self._pauses, POLL_SECONDS[-1]))
        yield None


class SocketWaiter:
    """Waits for messages about one prompt. When the connection is lost it waits without them."""

    def __init__(self, connection: ClientConnection, prompt: str) -> None:
        self._connection, self._prompt = connection, prompt
        self._lost: PollingWaiter | None = None

    def messages(self) -> Iterator[PromptMessage | None]:
        """The messages until the prompt ends or `SOCKET_POLL_SECONDS` have passed; see `Waiter`."""
        from websockets.exceptions import ConnectionClosed

        end = time.monotonic() + SOCKET_POLL_SECONDS
        while self._lost is None and (left := end - time.monotonic()) > 0:
            try:
                message = parse_message(self._connection.recv(timeout=min(left, _PAUSE_SECONDS)), self._prompt)
            except TimeoutError:
                message = None
            except ConnectionClosed:
                self._lost = PollingWaiter()
                break
            yield message
            if message and message.ended:
                return
        if self._lost:
            yield from self._lost.messages()


def has_web_socket() -> bool:
    """Whether the package for web sockets is installed."""
    return find_spec(PACKAGE) is not None


@contextmanager
def open_waiter(server: str, prompt: str) -> Iterator[Waiter]:
    """A waiter for a prompt whose client id is its own id; a polling one if the web socket cannot be opened."""
    if not has_web_socket():
        yield PollingWaiter()
        return
    from websockets.exceptions import WebSocketException

    with ExitStack() as stack:
        waiter: Waiter = PollingWaiter()
        with suppress(OSError, WebSocketException, ValueError):  # ValueError: a redirect, which is not followed
            waiter = SocketWaiter(stack.enter_context(_connect(server, prompt)), prompt)
        yield waiter


def _connect(server: str, prompt: str) -> ClientConnection:
    """Connect without proxies. The socket is opened here, because `websockets` then refuses redirects.

    There are no pings: a server that computes may not answer them for minutes.
    """
    from websockets.sync.client import connect
    from websockets.uri import parse_uri

    address = f"ws{server.removeprefix('http')}/ws?clientId={quote(prompt)}"
    uri = parse_uri(address)
    opened = socket.create_connection((uri.host, uri.port), timeout=OPEN_SECONDS)
    opened.settimeout(None)
    return connect(
        address,
        sock=opened,
        proxy=None,
        compression=None,
        open_timeout=OPEN_SECONDS,
        close_timeout=CLOSE_SECONDS,
        ping_interval=None,
        max_size=MAX_MESSAGE_BYTES,
    )
