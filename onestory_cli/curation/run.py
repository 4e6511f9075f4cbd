"""The line through the stages: videos -> cuts -> filters -> captions -> embeddings -> cast -> rewrites -> manifest.

One video is in memory at a time, or a few for each worker. The manifest keeps their order with any number of workers.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from onestory_cli.curation import manifest_file, report_page
from onestory_cli.curation.forecast import Remaining, estimate_disk
from onestory_cli.curation.manifest_file import ManifestWriter
from onestory_cli.curation.report_page import ReportPage
from onestory_cli.curation.video_curator import STAGES_FOLDER, CuratorConfig, VideoCurator
from onestory_cli.curation.video_stages import CuratedVideo, damaged_video
from onestory_cli.curation.worker_pool import CurationPool
from onestory_cli.errors import OnestoryError
from onestory_cli.events import CurationStarted, Emit, VideoCurated
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked
from onestory_cli.utils.digests import DigestCache

AHEAD = 4  # videos per worker that are queued before the first of them is awaited
_LOCK = ".curate.lock"

Result = Callable[[], tuple[CuratedVideo, bool]]  # waits for a video; whether anything was computed for it


@dataclass
class CurateSummary:
    """Counts over a whole set. `reasons` counts rejected shots by reason, `faults` videos without any shot."""

    videos: int = 0
    shots: int = 0
    kept: int = 0
    sequences: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def add(self, video: CuratedVideo) -> None:
        """Count one video."""
        self.videos += 1
        self.shots += len(video.shots)
        self.kept += sum(map(len, video.sequences))
        self.sequences += len(video.sequences)
        self.reasons.update(reason.partition(":")[0] for shot in video.shots for reason in shot.rejected)
        if video.fault:
            self.faults.append((str(video.path), video.fault))


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How to start workers: `open_pool` starts a pool of `count` workers for a `with` block."""

    count: int
    open_pool: Callable[[], AbstractContextManager[CurationPool]]


class Curation:
    """The stages of one set. Use as a context manager; `run` writes the manifest and the report.

    `workers`: None for this process.

    Raises:
        OnestoryError: as `VideoCurator`.
    """

    def __init__(self, config: CuratorConfig, workers: Workers | None = None) -> None:
        self._config, self._workers = config, workers
        self._curator = VideoCurator(config)
        self._open = ExitStack()

    def __enter__(self) -> Curation:
        """Lock the set, then open its stages.

        Raises:
            OnestoryError: R401 if another process curates this set, U605 if its files are not from here.
        """
        out = self._config.out
        _require_own_folder(out)
        Disk().make_folder(out)
        with ExitStack() as stack:
            stack.enter_context(locked(out / _LOCK, Disk()))
            stack.callback(self._curator.close)
            self._stores = self._curator.stores
            self._digests = DigestCache(out / STAGES_FOLDER / "digests.json")
            stack.callback(self._digests.save)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(
        self,
        videos: Sequence[Path],
        emit: Emit,
        stop: Callable[[], bool] = lambda: False,
        look: Callable[[CuratedVideo], None] = lambda video: None,
    ) -> CurateSummary:
        """Curate videos in order; write `shots.jsonl` and `report.html` when all are done. `look` sees each video.

        Raises:
            KeyboardInterrupt: `stop()` was true after a video; finished results are kept.
            OnestoryError: T656 if the set will not fit on the disk.
        """
        out, summary = self._config.out, CurateSummary()
        self._estimate(videos, emit)
        left = Remaining([_size(video) for video in videos])
        with ManifestWriter(out, self._config.recipe.encoders) as manifest:
            report = ReportPage(out, self._stores["pictures"])
            for video, computed in self._curated(videos):
                summary.add(video)
                look(video)
                manifest.add(video.path, video.digest, video.found.facts, video.sequences)
                report.add(video)
                seconds = left.done(summary.videos - 1, computed=computed)
                emit(_event(video, summary.videos, len(videos), seconds))
                if stop():
                    raise KeyboardInterrupt
            report.finish(vars(summary), self._config.recipe)
        return summary

    def _estimate(self, videos: Sequence[Path], emit: Emit) -> None:
        """Report what a set that is new or grows will take."""
        if len(self._stores["cuts"]) >= len(videos):
            return
        disk = estimate_disk(videos, self._config.out, self._config.recipe)
        workers = self._workers.count if self._workers else 1
        emit(
            CurationStarted(
                videos=disk.videos, seconds=disk.seconds, disk_bytes=disk.needed, free_bytes=disk.free, workers=workers
            )
        )
        disk.require_space(self._config.out)

    def _curated(self, videos: Sequence[Path]) -> Iterator[tuple[CuratedVideo, bool]]:
        """The videos in order, and whether anything was computed for them."""
        with ExitStack() as stack:
            pool: CurationPool | None = None
            queue: deque[Result] = deque()
            ahead = AHEAD * self._workers.count if self._workers else 1
            for path in videos:
                known = self._known(path)
                if isinstance(known, CuratedVideo):
                    queue.append(partial(_as_is, known))
                elif self._workers is None:
                    queue.append(partial(_computed, partial(self._curator.curate, path, known)))
                else:  # workers start with the first video that has something to compute
                    pool = pool or stack.enter_context(self._workers.open_pool())
                    queue.append(partial(_computed, pool.submit(path, known)))
                if len(queue) >= ahead:
                    yield queue.popleft()()
            while queue:
                yield queue.popleft()()

    def _known(self, path: Path) -> CuratedVideo | str:
        """The video if it cannot be read or all its results are stored, else the digest of its bytes."""
        try:
            digest = self._digests.digest(path)
        except (OSError, ValueError) as fault:
            return damaged_video(path, "", f"cannot be read: {getattr(fault, 'strerror', None) or fault}")
        return self._curator.stored(path, digest) or digest


def _require_own_folder(out: Path) -> None:
    """Refuse a folder whose manifest or report another program wrote: both are replaced when a set is complete.

    Raises:
        OnestoryError: U605.
    """
    for name in (manifest_file.FILE, report_page.FILE):
        if os.path.lexists(out / name) and not (out / STAGES_FOLDER).is_dir():
            help = "choose another folder with --out; this one is not an earlier set of `curate`"
            raise OnestoryError("U605", f'"{out / name}" already exists', help=help)


def _as_is(video: CuratedVideo) -> tuple[CuratedVideo, bool]:
    return video, False


def _computed(result: Callable[[], CuratedVideo]) -> tuple[CuratedVideo, bool]:
    return result(), True


def _size(video: Path) -> int:
    try:
        return video.stat().st_size
    except OSError:
        return 0


def _event(video: CuratedVideo, done: int, videos: int, seconds_left: float) -> VideoCurated:
    return VideoCurated(
        video=str(video.path),
        shots=len(video.shots),
        kept=sum(map(len, video.sequences)),
        fault=video.fault,
        done=done,
        videos=videos,
        seconds_left=round(seconds_left, 1),
    )
