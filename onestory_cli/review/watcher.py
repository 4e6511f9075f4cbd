"""Watch a story and the files that it names: after each change, check the story and render what is stale."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchfiles import watch

from onestory_cli.errors import Diagnostic, OnestoryError
from onestory_cli.planning.jobs import Plan
from onestory_cli.review.effects import Effect, ReviewForecast
from onestory_cli.review.render_queue import RenderQueue, Work
from onestory_cli.review.session import ReviewSession
from onestory_cli.review.stamps import Stamp
from onestory_cli.store.state import state_of

STEP_MS = 40  # a change is reported when no other follows within this time; an editor writes several files
MAX_WAIT_MS = 400  # a program that writes all the time is not waited for any longer
POLL_MS = 500  # a file may be saved after a check and before its folder is watched, without an event


@dataclass(frozen=True, kw_only=True)
class CheckedStory:
    """The findings of the story after a change, and the work to do if it has no errors."""

    findings: tuple[Diagnostic, ...] = ()
    work: Effect | None = None


class StoryWatcher:
    """Checks the story of a session after each change, and then renders. `report` is called before the render."""

    def __init__(self, session: ReviewSession, queue: RenderQueue, report: Callable[[CheckedStory], None]) -> None:
        self._session, self._queue, self._report = session, queue, report
        self._forecast = ReviewForecast(session)
        self._checked: Mapping[Path, Stamp | None] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="story watcher", daemon=True)

    def start(self) -> None:
        """Check and render now, then after each change."""
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        self._check()
        while not self._stop.is_set():
            self._watch(self._folders())

    def _watch(self, folders: frozenset[Path]) -> None:
        """Watch until the story names files in other folders. Folders are watched, because editors replace files."""
        changes = watch(
            *folders,
            recursive=False,
            step=STEP_MS,
            debounce=MAX_WAIT_MS,
            rust_timeout=POLL_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            watch_filter=None,
            raise_interrupt=False,
        )
        for _ in changes:
            if self._session.inputs() != self._checked:
                self._check()
                if self._folders() != folders:
                    return

    def _check(self) -> None:
        """Report the findings of the story. Without errors, stop the current render and start another one."""
        self._checked = self._session.inputs()
        try:
            now = self._session.snapshot()
        except OnestoryError as fault:
            self._report(CheckedStory(findings=fault.diagnostics))
            return
        self._checked = now.stamps.inputs
        if now.plan is None:
            self._report(CheckedStory(findings=now.findings))
            return
        work = self._forecast.of_render()
        self._report(CheckedStory(findings=now.findings, work=work))
        if work.shots or not (now.film and now.film.joined) or not self._is_of_last_render(now.plan):
            self._queue.stop()
            self._queue.add(Work(kind="render"))

    def _is_of_last_render(self, plan: Plan) -> bool:
        """Whether the last render had the same story and files: a new sound makes another film, but no shot stale."""
        state = self._session.run.state()
        return state is not None and state_of(plan, state).given == state.given

    def _folders(self) -> frozenset[Path]:
        return frozenset(path.parent for path in self._session.inputs() if path.parent.is_dir())
