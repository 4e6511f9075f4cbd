"""Worker processes of this machine for the stage `cuts`."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from onestory_cli.curation.cut_stage import cut_video
from onestory_cli.curation.recipe import CutSettings


class CutWorkers:
    """Spawned processes; each decodes one video at a time."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))

    def submit(self, path: Path, settings: CutSettings, max_hours: float) -> Future[dict[str, Any]]:
        """Start, or queue, the cutting of a video."""
        return self._pool.submit(cut_video, path, settings, max_hours)

    def close(self) -> None:
        """Wait for running videos; drop queued ones."""
        self._pool.shutdown(cancel_futures=True)
