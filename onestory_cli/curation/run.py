"""The line through the stages: videos -> cuts -> filters -> captions -> embeddings -> rewrites -> manifest and report.

One video is in memory at a time. Cuts are found by worker processes ahead of the other stages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from onestory_cli.curation.captioner_factory import make_captioner
from onestory_cli.curation.captioners import Captioner, ShotView
from onestory_cli.curation.cuts import FoundShots, find_shots
from onestory_cli.curation.edits import apply_caption, apply_reject, apply_time, read_edits
from onestory_cli.curation.embeddings import Encoders
from onestory_cli.curation.filters import CuratedShot, reject_early, reject_late, sequences_of
from onestory_cli.curation.manifest_file import ManifestWriter
from onestory_cli.curation.recipe import CurateRecipe, CutSettings
from onestory_cli.curation.report_page import ReportPage
from onestory_cli.curation.rewrite_check import rewrite_fault
from onestory_cli.curation.shot_frames import Pixels, shot_frames
from onestory_cli.curation.stage_store import StageStore, stage_key
from onestory_cli.curation.videos import DigestCache
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Emit, VideoCurated

STAGES = ("cuts", "captions", "embeddings", "rewritten")
VERSION = 1  # of the stages; a new number makes every result again
AHEAD = 2  # videos per worker that are cut before the other stages reach them


@dataclass(frozen=True, kw_only=True)
class CuratedVideo:
    """A video with all its shots, kept and rejected, and its sequences; `fault` says why it has none."""

    path: Path
    digest: str
    found: FoundShots
    shots: tuple[CuratedShot, ...] = ()
    sequences: tuple[tuple[CuratedShot, ...], ...] = ()
    fault: str = ""


@dataclass
class CurateSummary:
    """Counts over a whole set. `reasons` counts rejected shots by reason, `faults` videos without any shot."""

    videos: int = 0
    shots: int = 0
    kept: int = 0
    sequences: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)
    new_results: int = 0

    def add(self, video: CuratedVideo) -> None:
        """Count one video."""
        self.videos += 1
        self.shots += len(video.shots)
        self.kept += sum(map(len, video.sequences))
        self.sequences += len(video.sequences)
        self.reasons.update(reason.partition(":")[0] for shot in video.shots for reason in shot.rejected)
        if video.fault:
            self.faults.append((str(video.path), video.fault))


class Curation:
    """The stages of one set. Use as a context manager; `run` writes the manifest and the report.

    Raises:
        OnestoryError: T651 for edits, T654 for a captioner that cannot be used.
    """

    def __init__(self, out: Path, recipe: CurateRecipe, *, folder: Path, device: str = "cpu", workers: int = 1) -> None:
        self._out, self._recipe, self._workers = out, recipe, workers
        self._captioner = make_captioner(recipe.captions, folder, device)
        self._encoders = Encoders(recipe.encoders, device) if recipe.encoders else None
        self._edits = read_edits(out)
        self._stores = {name: StageStore(out / "stages" / name) for name in STAGES}
        self._digests = DigestCache(out / "stages" / "digests.json")

    def __enter__(self) -> Curation:
        return self

    def __exit__(self, *_: object) -> None:
        self._digests.save()
        for store in self._stores.values():
            store.close()

    def run(
        self,
        videos: Sequence[Path],
        emit: Emit,
        stop: Callable[[], bool] = lambda: False,
        look: Callable[[CuratedShot], None] = lambda shot: None,
    ) -> CurateSummary:
        """Curate videos in order; write `shots.jsonl` and `report.html` when all are done. `look` sees each shot.

        Raises:
            KeyboardInterrupt: `stop()` was true after a video; finished results are kept.
        """
        summary, before = CurateSummary(), self._results()
        with ManifestWriter(self._out) as manifest, ReportPage(self._out) as report:
            for video in self._curated(videos):
                summary.add(video)
                for shot in video.shots:
                    look(shot)
                manifest.add(video.path, video.digest, video.found.facts, video.sequences)
                report.add(video.path, video.found, video.shots, video.sequences, video.fault)
                emit(
                    VideoCurated(
                        video=str(video.path),
                        shots=len(video.shots),
                        kept=sum(map(len, video.sequences)),
                        fault=video.fault,
                        done=summary.videos,
                        videos=len(videos),
                    )
                )
                if stop():
                    raise KeyboardInterrupt
            summary.new_results = self._results() - before
            report.finish(vars(summary), self._recipe)
        return summary

    def _results(self) -> int:
        return sum(len(store) for store in self._stores.values())

    def _curated(self, videos: Sequence[Path]) -> Iterator[CuratedVideo]:
        for path, digest, found in self._cut(videos):
            if found.fault or found.facts is None:
                yield CuratedVideo(path=path, digest=digest, found=found, fault=found.fault)
                continue
            try:
                yield self._curate(path, digest, found)
            except OnestoryError as error:
                if error.code != "M508":
                    raise
                yield CuratedVideo(path=path, digest=digest, found=found, fault=error.message)

    def _cut(self, videos: Sequence[Path]) -> Iterator[tuple[Path, str, FoundShots]]:
        """The shots of each video in order; missing results are computed ahead by the workers."""
        store = self._stores["cuts"]
        with ExitStack() as stack:
            pool: ProcessPoolExecutor | None = None
            pending: list[tuple[Path, str, str, Future[dict[str, Any]] | None]] = []
            rest = iter(videos)
            while True:
                while len(pending) < max(1, AHEAD * self._workers) and (path := next(rest, None)) is not None:
                    digest, key, future = self._look_up(path), "", None
                    if not digest.startswith("!"):
                        key = stage_key(VERSION, digest, asdict(self._recipe.cuts), self._recipe.max_hours)
                        if key not in store and self._workers > 1:
                            pool = pool or stack.enter_context(
                                ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))
                            )
                            future = pool.submit(cut_video, path, self._recipe.cuts, self._recipe.max_hours)
                    pending.append((path, digest, key, future))
                if not pending:
                    return
                path, digest, key, future = pending.pop(0)
                if digest.startswith("!"):
                    yield path, "", FoundShots(facts=None, shots=(), fault=digest[1:])
                    continue
                stored = store.get(key)
                if stored is None:
                    stored = future.result() if future else cut_video(path, self._recipe.cuts, self._recipe.max_hours)
                    store.put(key, stored)
                yield path, digest, FoundShots.from_json(stored)

    def _look_up(self, path: Path) -> str:
        """The digest of a file; "!" and the reason for one that cannot be read now."""
        try:
            return self._digests.digest(path)
        except OSError as fault:
            return f"!cannot be read: {fault.strerror or fault}"

    def _curate(self, path: Path, digest: str, found: FoundShots) -> CuratedVideo:
        shots = [self._shot(digest, found, index) for index in range(len(found.shots))]
        shots = [apply_reject(reject_early(shot, self._recipe), self._edits.get(shot.id)) for shot in shots]
        shots = [shot if shot.rejected else self._look_at(path, digest, found, shot) for shot in shots]
        shots = reject_late(shots, self._recipe.filters)
        shots = [apply_reject(shot, self._edits.get(shot.id)) for shot in shots]
        runs = sequences_of(shots, self._recipe.sequences)
        sequences = tuple(self._rewritten(path, digest, found, run) for run in runs)
        final = {shot.id: shot for run in sequences for shot in run}
        alone = "alone: no other shot of its video is left to form a sequence"
        shots = [final.get(shot.id) or (shot if shot.rejected else replace(shot, rejected=(alone,))) for shot in shots]
        return CuratedVideo(path=path, digest=digest, found=found, shots=tuple(shots), sequences=sequences)

    def _shot(self, digest: str, found: FoundShots, index: int) -> CuratedShot:
        item = found.shots[index]
        id = f"{digest[:8]}@{found.seconds(item.start):.3f}"
        shot = CuratedShot(
            id=id,
            start=found.seconds(item.clean_start),
            end=found.seconds(item.clean_end),
            begins=item.begins,
            measures=item.measures,
        )
        return apply_time(shot, self._edits.get(id))

    def _look_at(self, path: Path, digest: str, found: FoundShots, shot: CuratedShot) -> CuratedShot:
        """The shot with its own caption and its embeddings."""
        frames = _Frames(path, found, shot, self._recipe.captions.frames)
        caption, embeddings = "", ()
        where = (VERSION, digest, shot.start, shot.end, self._recipe.captions.frames)
        if self._captioner:
            captioner = self._captioner
            caption = self._stage(
                "captions", (*where, captioner.identity), lambda: captioner.caption(frames.view(captioner.needs_frames))
            )
        if self._encoders:
            encoders = self._encoders
            embeddings = self._stage("embeddings", (*where, encoders.identity), lambda: encoders.embed(frames.read()))
        shot = replace(shot, caption=caption, embeddings=tuple(embeddings))
        edit = self._edits.get(shot.id)
        if self._captioner and not caption and not (edit and edit.caption):
            return replace(shot, rejected=("no caption",))
        return shot

    def _rewritten(
        self, path: Path, digest: str, found: FoundShots, run: tuple[CuratedShot, ...]
    ) -> tuple[CuratedShot, ...]:
        """A sequence whose captions after the first refer to the shots before."""
        done: list[CuratedShot] = []
        for shot in run:
            written = replace(shot, rewritten=shot.caption)
            if done and self._captioner and self._recipe.captions.rewrite and shot.caption:
                written = self._rewrite(self._captioner, path, digest, found, shot, done)
            done.append(apply_caption(written, self._edits.get(shot.id)))
        return tuple(done)

    def _rewrite(
        self,
        captioner: Captioner,
        path: Path,
        digest: str,
        found: FoundShots,
        shot: CuratedShot,
        done: Sequence[CuratedShot],
    ) -> CuratedShot:
        earlier = [item.rewritten for item in done]
        count = self._recipe.captions.frames
        own, before = _Frames(path, found, shot, count), _Frames(path, found, done[-1], count)
        key = (VERSION, digest, shot.start, shot.end, count, captioner.identity, shot.caption, earlier)
        needs = captioner.needs_frames
        answer = self._stage(
            "rewritten", key, lambda: captioner.rewrite(own.view(needs), shot.caption, before.view(needs), earlier)
        )
        if fault := rewrite_fault(answer, shot.caption, earlier):
            return replace(shot, rewritten=shot.caption, rewrite_fault=fault)
        return replace(shot, rewritten=answer)

    def _stage(self, name: str, parts: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """The stored result of a stage, or a new one, stored."""
        store, key = self._stores[name], stage_key(*parts)
        value = store.get(key)
        if value is None:
            value = compute()
            store.put(key, value)
        return value


class _Frames:
    """The frames of a shot, decoded when they are first needed."""

    def __init__(self, path: Path, found: FoundShots, shot: CuratedShot, count: int) -> None:
        self._path, self._found, self._shot, self._count = path, found, shot, count
        self._frames: list[Pixels] | None = None

    def read(self) -> list[Pixels]:
        if self._frames is None:
            assert self._found.facts is not None
            start, end = (self._found.pts(seconds) for seconds in (self._shot.start, self._shot.end))
            self._frames = shot_frames(self._path, self._found.facts, start, end, self._count)
        return self._frames

    def view(self, needs_frames: bool) -> ShotView:
        frames = self.read() if needs_frames else ()
        return ShotView(video=self._path, start=self._shot.start, end=self._shot.end, frames=frames)


def cut_video(path: Path, settings: CutSettings, max_hours: float) -> dict[str, Any]:
    """Return the result of the stage `cuts` for a video; a damaged one has a fault instead of shots."""
    try:
        return find_shots(path, settings, max_hours=max_hours).as_json()
    except OnestoryError as error:
        if error.code != "M508":
            raise
        return FoundShots(facts=None, shots=(), fault=error.message).as_json()
