"""The stage `cuts` over many videos: shots of each in order, found ahead of the other stages by worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from onestory_cli.curation.cuts import FoundShots, find_shots
from onestory_cli.curation.recipe import CurateRecipe, CutSettings
from onestory_cli.curation.stage_store import StageStore, stage_key
from onestory_cli.errors import OnestoryError
from onestory_cli.utils.digests import DigestCache

AHEAD = 2  # videos per worker that are cut before the other stages reach them


@dataclass(frozen=True)
class _Queued:
    path: Path
    digest: str
    key: str
    fault: str = ""
    future: Future[dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class CutStage:
    """Finds the shots of videos, or reads them from `store`. One worker is this process; several are processes."""

    store: StageStore
    digests: DigestCache
    recipe: CurateRecipe
    version: int
    workers: int = 1

    def run(self, videos: Sequence[Path]) -> Iterator[tuple[Path, str, FoundShots]]:
        """Yield path, digest and shots of each video, in order."""
        with ExitStack() as stack:
            pool = None
            if self.workers > 1:  # its processes start with the first video that is not in the store
                pool = ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))
                stack.callback(pool.shutdown, cancel_futures=True)
            queue: deque[_Queued] = deque()
            for path in videos:
                queue.append(self._queue(path, pool))
                if len(queue) == (AHEAD * self.workers if pool else 1):
                    yield self._result(queue.popleft())
            yield from map(self._result, queue)

    def _queue(self, path: Path, pool: Executor | None) -> _Queued:
        """Look up a video; give it to the pool if its result is missing."""
        try:
            digest = self.digests.digest(path)
        except (OSError, ValueError) as fault:
            return _Queued(path, "", "", fault=f"cannot be read: {getattr(fault, 'strerror', None) or fault}")
        settings, hours = self.recipe.cuts, self.recipe.max_hours
        key = stage_key(self.version, digest, asdict(settings), hours)
        future = pool.submit(cut_video, path, settings, hours) if pool and key not in self.store else None
        return _Queued(path, digest, key, future=future)

    def _result(self, item: _Queued) -> tuple[Path, str, FoundShots]:
        return item.path, item.digest, self._shots(item)

    def _shots(self, item: _Queued) -> FoundShots:
        if item.fault:
            return FoundShots(facts=None, shots=(), fault=item.fault)
        stored = self.store.get(item.key)
        if stored is None:
            settings, hours = self.recipe.cuts, self.recipe.max_hours
            stored = item.future.result() if item.future else cut_video(item.path, settings, hours)
            self.store.put(item.key, stored)
        return FoundShots.from_json(stored)


def cut_video(path: Path, settings: CutSettings, max_hours: float) -> dict[str, Any]:
    """Return the result of the stage `cuts` for a video; a damaged one has a fault instead of shots."""
    try:
        return find_shots(path, settings, max_hours=max_hours).as_json()
    except OnestoryError as error:
        if error.code != "M508":
            raise
        return FoundShots(facts=None, shots=(), fault=error.message).as_json()
