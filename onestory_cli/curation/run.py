"""The line through the stages: videos -> cuts -> filters -> captions -> embeddings -> cast -> rewrites -> manifest.

One video is in memory at a time. Cuts are found by worker processes ahead of the other stages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from onestory_cli.curation.captioner_factory import make_captioner
from onestory_cli.curation.cast_networks import load_cast_reader
from onestory_cli.curation.cut_stage import CutStage
from onestory_cli.curation.edits import read_edits
from onestory_cli.curation.embeddings import Encoders
from onestory_cli.curation.manifest_file import ManifestWriter
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.report_page import ReportPage
from onestory_cli.curation.stage_store import StageStore
from onestory_cli.curation.video_stages import VERSION, CuratedVideo, StageModels, VideoStages
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Emit, VideoCurated
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked
from onestory_cli.utils.digests import DigestCache

STAGES = ("cuts", "captions", "embeddings", "cast", "rewritten", "pictures")

_LOCK = ".curate.lock"


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
        OnestoryError: T651 for edits, T654 for a captioner that cannot be used, M531 or M532 for a network of the cast.
    """

    def __init__(
        self,
        out: Path,
        recipe: CurateRecipe,
        *,
        folder: Path,
        device: str = "cpu",
        workers: int = 1,
    ) -> None:
        self._out, self._recipe, self._workers = out, recipe, workers
        self._models = StageModels(
            captioner=make_captioner(recipe.captions, folder, device),
            encoders=Encoders(recipe.encoders, device) if recipe.encoders else None,
            cast=load_cast_reader(recipe.cast, device),
        )
        self._edits = read_edits(out)
        self._open = ExitStack()

    def __enter__(self) -> Curation:
        """Lock the set, then open its stages.

        Raises:
            OnestoryError: R401 if another process curates this set.
        """
        Disk().make_folder(self._out)
        with ExitStack() as stack:
            stack.enter_context(locked(self._out / _LOCK, Disk()))
            self._stores = {name: StageStore(self._out / "stages" / name) for name in STAGES}
            for store in self._stores.values():
                stack.callback(store.close)
            self._digests = DigestCache(self._out / "stages" / "digests.json")
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
        """
        summary, before = CurateSummary(), self._results()
        with ManifestWriter(self._out) as manifest:
            report = ReportPage(self._out, self._stores["pictures"])
            for video in self._curated(videos):
                summary.add(video)
                look(video)
                manifest.add(video.path, video.digest, video.found.facts, video.sequences)
                report.add(video)
                emit(_event(video, summary.videos, len(videos)))
                if stop():
                    raise KeyboardInterrupt
            summary.new_results = self._results() - before
            report.finish(vars(summary), self._recipe)
        return summary

    def _results(self) -> int:
        return sum(len(store) for store in self._stores.values())

    def _curated(self, videos: Sequence[Path]) -> Iterator[CuratedVideo]:
        stage = CutStage(
            store=self._stores["cuts"],
            digests=self._digests,
            recipe=self._recipe,
            version=VERSION,
            workers=self._workers,
        )
        for path, digest, found in stage.run(videos):
            video = CuratedVideo(path=path, digest=digest, found=found, fault=found.fault)
            yield video if found.fault or found.facts is None else self._curate(video)

    def _curate(self, video: CuratedVideo) -> CuratedVideo:
        stages = VideoStages(video, recipe=self._recipe, models=self._models, edits=self._edits, stores=self._stores)
        try:
            return stages.run()
        except OnestoryError as error:
            if error.code != "M508":
                raise
            return CuratedVideo(path=video.path, digest=video.digest, found=video.found, fault=error.message)


def _event(video: CuratedVideo, done: int, videos: int) -> VideoCurated:
    return VideoCurated(
        video=str(video.path),
        shots=len(video.shots),
        kept=sum(map(len, video.sequences)),
        fault=video.fault,
        done=done,
        videos=videos,
    )
