"""A pool of one worker in this process, for tests of everything around the workers."""

from __future__ import annotations

from collections.abc import Iterable

from onestory_cli.batch.dispatch import Emitted, Ended, Message, Ready
from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.events import Event


class InProcessPool:
    """Renders a film when it is submitted."""

    def __init__(self, work: WorkerConfig) -> None:
        self._models = ModelCache(work)
        self._messages: list[Message] = [Ready(worker="1")]

    def __enter__(self) -> InProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def poll(self, seconds: float) -> Iterable[Message]:
        messages, self._messages = self._messages, []
        return messages

    def submit(self, worker: str, film: BatchFilm) -> None:
        def emit(event: Event) -> None:
            self._messages.append(Emitted(worker=worker, event=event))

        self._messages.append(Ended(worker=worker, outcome=render_story(film.run, self._models, emit)))

    def stop(self) -> None:
        """Does nothing: no film is being rendered when this is called."""
