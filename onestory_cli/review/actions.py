"""What the pages of a review can ask for with POST requests: JSON documents in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from onestory_cli.review.effects import ReviewForecast
from onestory_cli.review.render_queue import RenderQueue, Work
from onestory_cli.review.session import ReviewSession

Action = Callable[[dict[str, Any]], dict[str, Any] | None]


class ReviewActions:
    """The actions on a session and its queue. A document without an expected field raises `KeyError`."""

    def __init__(self, session: ReviewSession, queue: RenderQueue) -> None:
        self._session, self._queue, self._forecast = session, queue, ReviewForecast(session)

    def by_name(self, *, read_only: bool) -> dict[str, Action]:
        """The actions that a page may ask for."""
        harmless: dict[str, Action] = {"effect": self._effect, "check": self._check}
        if read_only:
            return harmless
        return {
            **harmless,
            "accept": self._accept,
            "note": self._note,
            "new": self._new,
            "render": lambda _: self._queue.add(Work(kind="render")),
            "stop": lambda _: self._queue.stop(),
            "caption": self._save_caption,
        }

    def _accept(self, asked: dict[str, Any]) -> None:
        shot, take = str(asked["shot"]), str(asked["take"])
        self._session.accept(shot, take)
        self._queue.accepted(shot)

    def _note(self, asked: dict[str, Any]) -> None:
        self._session.note(str(asked["shot"]), str(asked["take"]), str(asked["text"]), rejected=bool(asked["rejected"]))

    def _new(self, asked: dict[str, Any]) -> None:
        plan = self._session.snapshot().plan
        shot = str(asked["shot"])
        self._queue.add(Work(kind="take", shot=plan.job(shot).shot if plan else shot))

    def _effect(self, asked: dict[str, Any]) -> dict[str, Any]:
        shot = str(asked["shot"])
        if asked.get("take"):
            effect = self._forecast.of_accepting(shot, str(asked["take"]))
            return {"text": str(effect), "shots": effect.shots, "seconds": effect.seconds}
        seconds = self._forecast.of_another_take(shot).seconds
        return {"text": "" if seconds is None else f"about {seconds:.0f} s", "shots": [], "seconds": seconds}

    def _check(self, asked: dict[str, Any]) -> dict[str, Any]:
        resolved, findings, effect = self._forecast.of_caption(str(asked["shot"]), str(asked["caption"]))
        return {
            "resolved": resolved,
            "findings": [asdict(item) for item in findings],
            "effect": str(effect) if effect else "",
        }

    def _save_caption(self, asked: dict[str, Any]) -> None:
        self._session.save_caption(str(asked["shot"]), str(asked["caption"]), before=str(asked["before"]))
