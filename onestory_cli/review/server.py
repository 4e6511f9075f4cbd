"""The web application of a review: its routes, and events for open pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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
        self._look = asyncio.Event()  # wakes the poll

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
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), POLL_SECONDS)
            self._look.clear()

    def _send_changes(self) -> None:
        now, before = self.session.snapshot(), self._sent
        self._sent = now
        if before is not None and now is not before:
            self._broadcast.send("changed", _changes(before, now), version=now.version)

    def _on_progress(self, progress: Progress) -> None:
        if progress.state == "idle":  # the work is done, and its takes are on disk
            self._broadcast.call(self._look.set)
        self._broadcast.send("progress", progress_document(progress))

    def _on_preview(self, shot: str, step: int, steps: int, pixels_HW3: Any) -> None:
        picture = webp_address(pixels_HW3)
        self._broadcast.send("preview", {"shot": shot, "step": step, "steps": steps, "picture": picture})

    async def _events(self, request: Request) -> Response:
        shown = request.headers.get("last-event-id") or request.query_params.get("version", "")

        def first() -> str:
            text = format_event("progress", progress_document(self.queue.progress))
            missed = self._sent if self._sent and shown.isdecimal() and int(shown) < self._sent.version else None
            return text + (format_event("changed", _outdated(missed), version=missed.version) if missed else "")

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
        self._look.set()
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
    """The shots whose cards differ apart from their staleness; `film`: whether the joined film is another one.

    `whole` means that the page has to be loaded again: it has other shots or a new film.
    """

    def cards(snapshot: Snapshot) -> dict[str, Any]:
        film, notes = snapshot.film, snapshot.notes
        return {
            shot.id: (
                shot.take.path,
                shot.accepted,
                [(take.path, notes.get(take.path), take.path in snapshot.fits) for take in shot.takes],
                snapshot.captions.get(shot.id),
                shot.caption,
            )
            for shot in (film.shots if film else ())
        }

    old, new = cards(before), cards(now)
    was_joined, joined = map(_joined_film, (before, now))
    return {
        "shots": [id for id, card in new.items() if old.get(id) != card],
        "whole": [*old] != [*new] or joined not in ("", was_joined),
        "film": joined != was_joined,
        "stale": now.stale,
        "findings": [asdict(item) for item in now.findings],
    }


def _outdated(now: Snapshot) -> dict[str, Any]:
    """The change for a page that missed events: it has to be loaded again."""
    findings = [asdict(item) for item in now.findings]
    return {"shots": [], "whole": True, "film": True, "stale": now.stale, "findings": findings}


def _joined_film(snapshot: Snapshot) -> str:
    """The digest of the joined film; "" without one."""
    film = snapshot.film
    return film.state.film.sha256 if film and film.joined and film.state.film else ""
