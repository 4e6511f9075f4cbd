"""The stage `cuts` over many videos: shots of each in order, found ahead of the other stages by worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from onestory_cli.curation.cuts import FoundShots, find_shots
from onestory_cli.curation.recipe import CurateRecipe, CutSettings
from onestory_cli.curation.stage_store import StageStore, stage_key
from onestory_cli.curation.videos import DigestCache
from onestory_cli.errors import OnestoryError

AHEAD = 2  # videos per worker that are cut before the other stages reach them


class CutPool(Protocol):
    """Runs `cut_video` elsewhere, `workers` at a time."""

    workers: int

    def submit(self, path: Path, settings: CutSettings, max_hours: float) -> Future[dict[str, Any]]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Queued:
    path: Path
    digest: str
    key: str
    fault: str = ""
    future: Future[dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class CutStage:
    """Finds the shots of videos, or reads them from `store`. `open_pool` is called when a result is missing first;
    None finds all of them in this process."""

    store: StageStore
    digests: DigestCache
    recipe: CurateRecipe
    version: int
    open_pool: Callable[[], CutPool] | None = None

    def run(self, videos: Sequence[Path]) -> Iterator[tuple[Path, str, FoundShots]]:
        """Yield path, digest and shots of each video, in order."""
        with ExitStack() as stack:
            pool: CutPool | None = None
            queue: deque[_Queued] = deque()
            rest = iter(videos)
            while True:
                while len(queue) < (AHEAD * pool.workers if pool else 1) and (path := next(rest, None)) is not None:
                    item = self._look_up(path)
                    if self.open_pool and not item.fault and item.key not in self.store:
                        if pool is None:
                            pool = self.open_pool()
                            stack.callback(pool.close)
                        future = pool.submit(path, self.recipe.cuts, self.recipe.max_hours)
                        item = _Queued(path, item.digest, item.key, future=future)
                    queue.append(item)
                if not queue:
                    return
                item = queue.popleft()
                yield item.path, item.digest, self._shots(item)

    def _look_up(self, path: Path) -> _Queued:
        try:
            digest = self.digests.digest(path)
        except OSError as fault:
            return _Queued(path, "", "", fault=f"cannot be read: {fault.strerror or fault}")
        return _Queued(path, digest, stage_key(self.version, digest, asdict(self.recipe.cuts), self.recipe.max_hours))

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
