"""Protection of a review from other pages and programs.

Only this machine can connect. Every address begins with a random token, requests must name the server itself as their
host, and those that change something must come from a page of this server.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has its own policy
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses requests that do not come from a page of this server."""

    def __init__(self, app: ASGIApp, *, token: str, port: Callable[[], int]) -> None:
        self._app, self._token, self._port = app, token, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        if refusal:
            await PlainTextResponse(refusal, status_code=403, headers=HEADERS)(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> str:
        """Why a request is refused; "" if it is not."""
        hosts = {f"{name}:{self._port()}" for name in ("127.0.0.1", "localhost")}
        if request.headers.get("host", "") not in hosts:
            return "unknown host"
        token = request.url.path.strip("/").split("/")[0]
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return "unknown address; use the one that onestory review printed"
        origin = request.headers.get("origin")
        foreign = origin is not None and origin not in {f"http://{host}" for host in hosts}
        if foreign or (request.method != "GET" and origin is None):
            return "foreign origin"
        return ""
