"""The pages of a review and the videos in them."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from onestory_cli.report.gallery import PictureCache
from onestory_cli.report.page import film_page, problem_page, shot_card
from onestory_cli.report.page_source import PageSource, ReviewState
from onestory_cli.review.session import ReviewSession
from onestory_cli.review.snapshot import Snapshot


class ReviewPages:
    """Endpoints that draw the current state of a session. They block: Starlette runs each in a thread.

    Each picture is decoded once.
    """

    def __init__(self, session: ReviewSession, *, read_only: bool) -> None:
        self._session, self._read_only, self._pictures = session, read_only, PictureCache()

    def film_page(self, request: Request) -> Response:
        """The page of the film, or of what is wrong with the story."""
        now = self._session.snapshot()
        if now.film is None:
            return HTMLResponse(problem_page(now.findings), 409)
        return HTMLResponse(film_page(now.film, self._source(now), pictures=self._pictures))

    def card(self, request: Request) -> Response:
        """The card of one shot."""
        now = self._session.snapshot()
        if now.film is None:
            return PlainTextResponse("not rendered", 404)
        return HTMLResponse(shot_card(now.film, request.path_params["shot"], self._source(now), self._pictures))

    def film(self, request: Request) -> Response:
        """The joined film."""
        now = self._session.snapshot()
        joined = now.film.joined if now.film else None
        return _video(joined) if joined else PlainTextResponse("not joined", 404)

    def clip(self, request: Request) -> Response:
        """The clip of a take. The names are looked up among those that exist, never joined to a path."""
        film, wanted = self._session.snapshot().film, (request.path_params["shot"], request.path_params["id"])
        takes = (take for item in (film.shots if film else ()) for take in item.takes)
        take = next((take for take in takes if (take.shot, take.id) == wanted), None)
        return _video(take.clip) if take else PlainTextResponse("no such take", 404)

    def _source(self, now: Snapshot) -> PageSource:
        joined = now.film.joined if now.film else None
        version = f"?{joined.stat().st_mtime_ns}" if joined else ""
        return PageSource(
            clip=lambda take: f"take/{take.shot}/{take.id}.mp4",
            film=f"film.mp4{version}" if joined else "",
            media="'self'",
            notes=now.notes,
            review=ReviewState(
                version=now.version,
                read_only=self._read_only,
                captions={} if self._read_only else now.captions,
                fits=now.fits,
                stale=now.stale,
                waiting=now.waiting,
                problems=tuple(f"{item.code}: {item.message}" for item in now.findings),
            ),
        )


def _video(path: Path) -> Response:
    return FileResponse(path, media_type="video/mp4")
