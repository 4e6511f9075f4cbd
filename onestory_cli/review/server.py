"""The web application of a review: its routes, and events for open pages."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from onestory_cli.errors import OnestoryError, machine_error
from onestory_cli.report.gallery import webp_address
from onestory_cli.review.actions import Action, ReviewActions
from onestory_cli.review.broadcast import Broadcast, format_event
from onestory_cli.review.guard import Guard
from onestory_cli.review.pages import ReviewPages
from onestory_cli.review.render_queue import Progress, RenderQueue, progress_document
from onestory_cli.review.session import ReviewSession
from onestory_cli.review.snapshot import Snapshot

POLL_SECONDS = 1.0  # between two looks at the run directory, for changes by commands and editors
MAX_BODY = 64 * 1024


class ReviewServer:
    """The application. `port` is set once the socket is open."""

    def __init__(
        self, session: ReviewSession, *, token: str, read_only: bool = False, device: str = "auto", **queue: Any
    ) -> None:
        self.session, self.token, self.port = session, token, 0
        self._broadcast = Broadcast()
        self.queue = RenderQueue(session, device, notify=self._on_progress, preview=self._on_preview, **queue)
        self._pages = ReviewPages(session, read_only=read_only)
        self._actions = ReviewActions(session, self.queue).by_name(read_only=read_only)
        self._sent: Snapshot | None = None
        self._sending = threading.Lock()

    def app(self) -> ASGIApp:
        """The application with its protection."""
        routes = [
            Route("/{token}/", self._pages.film_page),
            Route("/{token}/events", self._events),
            Route("/{token}/film.mp4", self._pages.film),
            Route("/{token}/card/{shot}", self._pages.card),
            Route("/{token}/take/{shot}/{id}.mp4", self._pages.clip),
        ]
        for name, act in self._actions.items():
            routes.append(Route(f"/{{token}}/{name}", partial(self._act, act), methods=["POST"]))
        handlers: Any = {OnestoryError: _refused, OSError: _failed}
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)
        return Guard(app, token=self.token, port=lambda: self.port)

    def end_streams(self) -> None:
        """Let open pages go, so that the server can end."""
        self._broadcast.end()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._broadcast.open()
        poll = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            poll.cancel()
            await run_in_threadpool(self.queue.close)

    async def _poll(self) -> None:
        """Send changes by commands and editors to open pages."""
        stamps = None
        while True:
            try:
                found = self.session.stamps()
                if found != stamps:
                    stamps = found
                    await run_in_threadpool(self._send_changes)
            except OnestoryError as fault:  # a half-written run.json of another version, a removed file, a failing disk
                self._broadcast.send("problem", _findings(fault))
            await asyncio.sleep(POLL_SECONDS)

    def _send_changes(self) -> None:
        with self._sending:
            now, before = self.session.snapshot(), self._sent
            self._sent = now
            if before is not None and now is not before:
                self._broadcast.send("changed", _changes(before, now))

    def _on_progress(self, progress: Progress) -> None:
        self._broadcast.send("progress", progress_document(progress))

    def _on_preview(self, shot: str, step: int, steps: int, pixels_HW3: Any) -> None:
        picture = webp_address(pixels_HW3)
        self._broadcast.send("preview", {"shot": shot, "step": step, "steps": steps, "picture": picture})

    async def _events(self, request: Request) -> Response:
        first = format_event("progress", progress_document(self.queue.progress))
        return StreamingResponse(self._broadcast.stream(first), media_type="text/event-stream")

    async def _act(self, act: Action, request: Request) -> Response:
        size = int(request.headers.get("content-length", MAX_BODY + 1))
        if size > MAX_BODY or request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return PlainTextResponse("not a small JSON document", 400)
        try:
            document = json.loads(await request.body())
            answer = await run_in_threadpool(act, document)
        except (ValueError, KeyError, TypeError, AttributeError):
            return PlainTextResponse("not the expected document", 400)
        await run_in_threadpool(self._send_changes)
        return JSONResponse(answer or {})


async def _refused(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, OnestoryError)
    return JSONResponse(_findings(fault), status_code=409)


async def _failed(request: Request, fault: Exception) -> Response:
    """A disk that fails while a page asks for something: a coded answer, and the server continues."""
    error = machine_error(fault)
    if error is None:
        raise fault
    return await _refused(request, error)


def _findings(fault: OnestoryError) -> dict[str, Any]:
    return {"findings": [asdict(item) for item in fault.diagnostics]}


def _changes(before: Snapshot, now: Snapshot) -> dict[str, Any]:
    """The shots whose cards differ, and whether the page as a whole does: its shots or its joined film."""

    def cards(snapshot: Snapshot) -> dict[str, Any]:
        film, notes, stale = snapshot.film, snapshot.notes, snapshot.stale
        return {
            shot.id: (
                shot.take.path,
                [(take.path, notes.get(take.path), take.path in snapshot.fits) for take in shot.takes],
                stale.get(shot.id),
                snapshot.captions.get(shot.id),
                shot.caption,
            )
            for shot in (film.shots if film else ())
        }

    old, new = cards(before), cards(now)
    joined = [bool(item.film and item.film.joined) for item in (before, now)]
    return {
        "shots": [id for id, card in new.items() if old.get(id) != card],
        "whole": [*old] != [*new] or joined[0] != joined[1],
        "stale": now.stale,
        "findings": [asdict(item) for item in now.findings],
    }
