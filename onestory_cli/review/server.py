"""The web side of a review: routes, their protection, and events for open pages.

Only this machine can connect. Every address begins with a random token, requests must name the server itself as their
host, and those that change something must come from a page of this server.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from onestory_cli.errors import OnestoryError
from onestory_cli.report.gallery import PictureCache
from onestory_cli.report.page import PageSource, film_page, problem_page, shot_card
from onestory_cli.review.render_queue import Progress, RenderQueue, Work, progress_document
from onestory_cli.review.session import ReviewSession, Snapshot
from onestory_cli.store.takes import Take

POLL_SECONDS = 1.0  # between two looks at the run directory, for changes by commands and editors
MAX_BODY = 64 * 1024
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has its own policy
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Action = Callable[[dict[str, Any]], Any]


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


class Broadcast:
    """Sends events to all open pages. `send` may be called from any thread."""

    def __init__(self) -> None:
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    def send(self, name: str, document: Any) -> None:
        """Send an event to every page that is open."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, _event(name, document))

    def end(self) -> None:
        """End the streams of all pages. Call it in the thread of the server."""
        self._put(None)

    def _put(self, text: str | None) -> None:
        for page in self._pages:
            page.put_nowait(text)

    async def stream(self, first: str) -> AsyncIterator[str]:
        """The events of one page, as server-sent events. A comment every 15 seconds finds closed connections."""
        page: asyncio.Queue[str | None] = asyncio.Queue()
        self._pages.add(page)
        try:
            yield first
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


def _event(name: str, document: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(document)}\n\n"


class ReviewServer:
    """The application. `port` is set once the socket is open."""

    def __init__(
        self, session: ReviewSession, *, token: str, read_only: bool = False, device: str = "auto", **queue: Any
    ) -> None:
        self.session, self.token, self.read_only, self.port = session, token, read_only, 0
        self._broadcast, self._pictures = Broadcast(), PictureCache()
        self.queue = RenderQueue(session, device, notify=self._on_progress, preview=self._on_preview, **queue)
        self._seen: Snapshot | None = None
        self._telling = threading.Lock()

    def app(self) -> ASGIApp:
        """The application with its protection."""
        actions: dict[str, Action] = {
            "accept": self._accept,
            "note": self._note,
            "new": self._new,
            "render": lambda _: self.queue.add(Work(kind="render")),
            "stop": lambda _: self.queue.stop(),
            "effect": self._effect,
            "check": self._check,
            "caption": self._save_caption,
        }
        harmless = {"effect", "check"}
        routes = [
            Route("/{token}/", self._page),
            Route("/{token}/events", self._events),
            Route("/{token}/film.mp4", self._film),
            Route("/{token}/card/{shot}", self._card),
            Route("/{token}/take/{shot}/{id}.mp4", self._clip),
        ]
        for name, act in actions.items():
            if not self.read_only or name in harmless:
                routes.append(Route(f"/{{token}}/{name}", partial(self._act, act), methods=["POST"]))
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={OnestoryError: _refused})
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
        """Tell open pages about changes, whoever made them."""
        signature = None
        while True:
            found = self.session.signature()
            if found != signature:
                signature = found
                try:
                    await run_in_threadpool(self._tell_changes)
                except OnestoryError as fault:  # a half-written run.json of another version, a removed file
                    self._broadcast.send("problem", {"findings": _findings(fault)})
            await asyncio.sleep(POLL_SECONDS)

    def _tell_changes(self) -> None:
        with self._telling:
            now, before = self.session.snapshot(), self._seen
            self._seen = now
            if before is not None and now is not before:
                self._broadcast.send("changed", _changes(before, now))

    def _on_progress(self, progress: Progress) -> None:
        self._broadcast.send("progress", progress_document(progress))

    def _on_preview(self, shot: str, step: int, steps: int, pixels_HW3: Any) -> None:
        from onestory_cli.report.gallery import webp_address

        picture = webp_address(pixels_HW3)
        self._broadcast.send("preview", {"shot": shot, "step": step, "steps": steps, "picture": picture})

    def _source(self, now: Snapshot) -> PageSource:
        joined = now.film.joined if now.film else None
        version = f"?{joined.stat().st_mtime_ns}" if joined else ""
        return PageSource(
            clip=lambda take: f"take/{take.shot}/{take.id}.mp4",
            film=f"film.mp4{version}" if joined else "",
            media="'self'",
            notes=now.notes,
            review=self.session.review_state(self.token, read_only=self.read_only),
        )

    async def _page(self, request: Request) -> Response:
        return await run_in_threadpool(self._draw_page)

    def _draw_page(self) -> Response:
        now = self.session.snapshot()
        if now.film is None:
            return HTMLResponse(problem_page(now.findings), 409)
        return HTMLResponse(film_page(now.film, self._source(now), pictures=self._pictures))

    async def _card(self, request: Request) -> Response:
        return await run_in_threadpool(self._draw_card, request.path_params["shot"])

    def _draw_card(self, shot: str) -> Response:
        now = self.session.snapshot()
        if now.film is None:
            return PlainTextResponse("not rendered", 404)
        return HTMLResponse(shot_card(now.film, shot, self._source(now), self._pictures))

    async def _events(self, request: Request) -> Response:
        first = _event("progress", progress_document(self.queue.progress))
        return StreamingResponse(self._broadcast.stream(first), media_type="text/event-stream")

    async def _film(self, request: Request) -> Response:
        now = await run_in_threadpool(self.session.snapshot)
        joined = now.film.joined if now.film else None
        return _video(joined) if joined else PlainTextResponse("not joined", 404)

    async def _clip(self, request: Request) -> Response:
        take = await run_in_threadpool(self._take, request.path_params["shot"], request.path_params["id"])
        return _video(take.clip) if take else PlainTextResponse("no such take", 404)

    def _take(self, shot: str, id: str) -> Take | None:
        """A take by its folder. The names are looked up among those that exist, never joined to a path."""
        film = self.session.snapshot().film
        takes = (take for item in (film.shots if film else ()) for take in item.takes)
        return next((take for take in takes if (take.shot, take.id) == (shot, id)), None)

    async def _act(self, act: Action, request: Request) -> Response:
        size = int(request.headers.get("content-length", MAX_BODY + 1))
        if size > MAX_BODY or request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return PlainTextResponse("not a small JSON document", 400)
        try:
            document = json.loads(await request.body())
            answer = await run_in_threadpool(act, document)
        except (ValueError, KeyError, TypeError, AttributeError):
            return PlainTextResponse("not the expected document", 400)
        await run_in_threadpool(self._tell_changes)
        return JSONResponse(answer if answer is not None else {})

    def _accept(self, asked: dict[str, Any]) -> None:
        shot, take = str(asked["shot"]), str(asked["take"])
        self.session.accept(shot, take)
        self.queue.accepted(shot)

    def _note(self, asked: dict[str, Any]) -> None:
        self.session.note(str(asked["shot"]), str(asked["take"]), str(asked["text"]), rejected=bool(asked["rejected"]))

    def _new(self, asked: dict[str, Any]) -> None:
        plan = self.session.snapshot().plan
        shot = str(asked["shot"])
        self.queue.add(Work(kind="take", shot=plan.job(shot).shot if plan else shot))

    def _effect(self, asked: dict[str, Any]) -> dict[str, Any]:
        shot = str(asked["shot"])
        if asked.get("take"):
            effect = self.session.effect_of_accepting(shot, str(asked["take"]))
            return {"text": str(effect), "shots": effect.shots, "seconds": effect.seconds}
        seconds = self.session.effect_of_another_take(shot).seconds
        return {"text": "" if seconds is None else f"about {seconds:.0f} s", "shots": [], "seconds": seconds}

    def _check(self, asked: dict[str, Any]) -> dict[str, Any]:
        resolved, findings, effect = self.session.check_caption(str(asked["shot"]), str(asked["caption"]))
        return {
            "resolved": resolved,
            "findings": [asdict(item) for item in findings],
            "effect": str(effect) if effect else "",
        }

    def _save_caption(self, asked: dict[str, Any]) -> None:
        self.session.save_caption(str(asked["shot"]), str(asked["caption"]), before=str(asked["before"]))


def _video(path: Path) -> Response:
    return FileResponse(path, media_type="video/mp4")


async def _refused(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, OnestoryError)
    return JSONResponse({"findings": _findings(fault)}, status_code=409)


def _findings(fault: OnestoryError) -> list[dict[str, Any]]:
    return [{"code": item.code, "message": item.message, "help": item.help or ""} for item in fault.diagnostics]


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
        "findings": [{"code": item.code, "message": item.message, "help": item.help or ""} for item in now.findings],
    }
