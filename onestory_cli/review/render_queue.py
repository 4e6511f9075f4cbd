"""Renders of a review, one after another in a background thread: what is stale, and further takes of shots."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from onestory_cli import events
from onestory_cli.errors import OnestoryError, from_exception
from onestory_cli.events import Event
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.rendering.resume import load_render_plan
from onestory_cli.rendering.takes import make_takes
from onestory_cli.review.session import ReviewSession
from onestory_cli.store.run import Run

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.rendering.generator import ShotGenerator

LOCK_SECONDS = 0.5  # between two attempts while another process writes to the run


@dataclass(frozen=True, kw_only=True)
class Work:
    """Render what is stale, or one more take of `shot`."""

    kind: Literal["render", "take"]
    shot: str = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the queue does now. `state` is idle, waiting (for another process), loading, rendering or failed.

    `left` are the estimated seconds of the current shot, None before its first step. `asks` is the shot for which a
    take must be accepted before the render continues.
    """

    state: str = "idle"
    shot: str = ""
    step: int = 0
    steps: int = 0
    left: float | None = None
    queued: int = 0
    message: str = ""
    help: str = ""
    asks: str = ""


class RenderQueue:
    """Runs work in its own thread. `notify` gets the progress after each change and `preview` the pictures of steps.

    `display` shows the events of one piece of work.
    """

    def __init__(
        self,
        session: ReviewSession,
        device: str,
        *,
        notify: Callable[[Progress], None],
        preview: Callable[[str, int, int, Any], None] | None = None,
        loader: Callable[[Plan, str, events.Emit], Callable[[], ShotGenerator]] = generator_loader,
        display: Callable[[], AbstractContextManager[events.Emit]] = lambda: nullcontext(events.ignore),
    ) -> None:
        self._session, self._device, self._notify, self._preview = session, device, notify, preview
        self._loader, self._display = loader, display
        self._show: events.Emit = events.ignore
        self._loaded: tuple[object, ShotGenerator] | None = None
        self._work: deque[Work] = deque()
        self._wake, self._stop, self._closed = threading.Condition(), threading.Event(), False
        self._changing = threading.RLock()
        self.progress = Progress()
        self._thread = threading.Thread(target=self._run, name="render queue", daemon=True)
        self._thread.start()

    def add(self, work: Work) -> None:
        """Queue work; a render that is queued already is not queued twice."""
        with self._wake:
            if work.kind == "take" or work not in self._work:
                self._work.append(work)
            self._wake.notify()
        self._change(queued=len(self._work))

    def stop(self) -> None:
        """Stop after the current step and forget all queued work. Finished work is kept."""
        with self._wake:
            self._work.clear()
            self._stop.set()
        self._change(queued=0)

    def accepted(self, shot: str) -> None:
        """Continue a render that waited for this shot."""
        if self.progress.asks == shot:
            self._change(asks="", state="idle", message="", help="")
            self.add(Work(kind="render"))

    def close(self) -> None:
        """Stop, and wait until the run is unlocked."""
        self.stop()
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._work and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                work = self._work.popleft()
                self._stop.clear()
            self._do(work)

    def _do(self, work: Work) -> None:
        self._change(state="loading", shot=work.shot, step=0, steps=0, left=None, queued=len(self._work), message="")
        try:
            with self._display() as self._show:
                self._unlocked(work)
            self._change(state="idle", shot="", queued=len(self._work), message="", help="", asks="")
        except KeyboardInterrupt:
            self._change(state="idle", shot="", message="stopped; finished work is kept")
        except OnestoryError as fault:
            asks = self.progress.shot if fault.code == "R410" else ""
            finding = fault.diagnostics[0]
            self._change(
                state="asks" if asks else "failed", message=finding.message, help=finding.help or "", asks=asks
            )
        except Exception as fault:
            finding = from_exception(fault, ["review"]).diagnostics[0]
            self._change(state="failed", message=finding.message, help=finding.help or "")

    def _unlocked(self, work: Work) -> None:
        """Do the work as soon as no other process writes to the run."""
        while True:
            try:
                return self._render(work)
            except OnestoryError as fault:
                if fault.code != "R401" or self._stop.is_set():
                    raise
                self._change(state="waiting", message=fault.diagnostics[0].message)
                if self._stop.wait(LOCK_SECONDS):
                    raise KeyboardInterrupt from fault

    def _render(self, work: Work) -> None:
        run = Run.create(self._session.run.path)
        options = RenderOptions(stop=self._stop.is_set, preview=self._preview)
        if work.kind == "render":
            plan = self._session.current_plan()
            render(plan, run, self._load(plan), self._on_event, options)
        else:
            plan = load_render_plan(run)
            make_takes(plan, run, self._load(plan), self._on_event, shot=work.shot, options=options)

    def _load(self, plan: Plan) -> Callable[[], ShotGenerator]:
        """Load the model of a plan, unless it is the one that is loaded."""

        def load() -> ShotGenerator:
            models = (plan.model, plan.first_shot_model)
            if self._loaded is None or self._loaded[0] != models:
                self._loaded = None  # the memory may have room for one only
                self._loaded = models, self._loader(plan, self._device, self._on_event)()
            return self._loaded[1]

        return load

    def _on_event(self, event: Event) -> None:
        self._show(event)
        match event:
            case events.ModelLoading():
                self._change(state="loading", message=f"loading {event.model} on {event.device}")
            case events.ShotStarted():
                self._change(state="rendering", shot=event.shot, step=0, steps=event.steps, left=None, message="")
            case events.StepDone():
                left = event.seconds * (event.steps - event.step)
                self._change(state="rendering", shot=event.shot, step=event.step, steps=event.steps, left=left)

    def _change(self, **fields: Any) -> None:
        """Change fields of the progress. Requests and the queue's own thread both do; no change may undo another."""
        with self._changing:
            self.progress = replace(self.progress, **fields)
            self._notify(self.progress)


def progress_document(progress: Progress) -> dict[str, Any]:
    """The progress as JSON, with the time of this computer."""
    return {**asdict(progress), "time": round(time.time(), 3)}
