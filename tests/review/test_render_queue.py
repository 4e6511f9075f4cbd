"""The progress of a render queue, which requests and the queue's own thread change."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest

from onestory_cli.review import render_queue
from onestory_cli.review.render_queue import Progress, RenderQueue


def test_no_change_undoes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(progress: Progress, **fields: Any) -> Progress:
        time.sleep(0.02)
        return dataclasses.replace(progress, **fields)

    sent: list[Progress] = []
    queue = RenderQueue(None, "cpu", notify=sent.append)  # type: ignore[arg-type]
    monkeypatch.setattr(render_queue, "replace", slow)
    changes: list[dict[str, Any]] = [{"queued": 1}, {"shot": "city"}, {"step": 2}, {"message": "loading"}]
    threads = [threading.Thread(target=queue._change, kwargs=fields) for fields in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (queue.progress.queued, queue.progress.shot, queue.progress.step) == (1, "city", 2)
    assert sent[-1] == queue.progress
    queue.close()
