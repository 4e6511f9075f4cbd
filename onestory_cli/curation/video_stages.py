"""One video with known shots -> captions, embeddings, cast, rewrites: the stages after `cuts`, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onestory_cli.curation.captioners import Captioner, ShotView
from onestory_cli.curation.cast import ShotCast, cast_ids
from onestory_cli.curation.cast_networks import CastReader
from onestory_cli.curation.cut_stage import VERSION
from onestory_cli.curation.cuts import FoundShots
from onestory_cli.curation.edits import ShotEdit, apply_caption, apply_reject, apply_time
from onestory_cli.curation.embeddings import Encoders
from onestory_cli.curation.filters import CuratedShot, reject_early, reject_late
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.rewrite_check import rewrite_fault
from onestory_cli.curation.sequences import foreign_shots, sequences_of
from onestory_cli.curation.shot_frames import Pixels, shot_frames
from onestory_cli.curation.stage_store import ResultStore, stage_key

ALONE = "alone: no other shot of its scene is left to form a sequence"


@dataclass(frozen=True, kw_only=True)
class CuratedVideo:
    """A video with all its shots, kept and rejected, and its sequences; `fault` says why it has none."""

    path: Path
    digest: str
    found: FoundShots
    shots: tuple[CuratedShot, ...] = ()
    sequences: tuple[tuple[CuratedShot, ...], ...] = ()
    fault: str = ""


def damaged_video(path: Path, digest: str, fault: str) -> CuratedVideo:
    """Return a video without facts or shots, with the reason."""
    return CuratedVideo(path=path, digest=digest, found=FoundShots(facts=None, shots=(), fault=fault), fault=fault)


@dataclass(frozen=True, kw_only=True)
class StageModels:
    """The models of the stages; None skips a stage."""

    captioner: Captioner | None
    encoders: Encoders | None
    cast: CastReader | None


class VideoStages:
    """Curates one video. Results are stored per shot, with a key of everything that they depend on."""

    def __init__(
        self,
        video: CuratedVideo,
        *,
        recipe: CurateRecipe,
        models: StageModels,
        edits: Mapping[str, ShotEdit],
        stores: Mapping[str, ResultStore],
    ) -> None:
        self._video, self._recipe, self._models = video, recipe, models
        self._edits, self._stores = edits, stores

    def run(self) -> CuratedVideo:
        """Return the video with its shots and sequences.

        Raises:
            OnestoryError: M508 for a file that cannot be decoded, T654 for a captioner that fails.
        """
        limits = self._recipe.filters
        shots = [self._shot(index) for index in range(len(self._video.found.shots))]
        shots = [self._forced(reject_early(shot, self._recipe)) for shot in shots]
        shots = self._with_ids([shot if shot.rejected else self._look_at(shot) for shot in shots])
        shots = self._without_foreign(reject_late(shots, limits))
        shots = [self._forced(shot) for shot in shots]
        runs = sequences_of(shots, self._recipe.sequences, limits.unrelated)
        sequences = tuple(self._rewritten(run) for run in runs)
        final = {shot.id: shot for run in sequences for shot in run}
        shots = [final.get(shot.id) or (shot if shot.rejected else replace(shot, rejected=(ALONE,))) for shot in shots]
        return replace(self._video, shots=tuple(shots), sequences=sequences)

    def _shot(self, index: int) -> CuratedShot:
        found = self._video.found
        item = found.shots[index]
        id = f"{self._video.digest[:8]}@{found.seconds(item.start):.3f}"
        shot = CuratedShot(
            id=id,
            start=found.seconds(item.clean_start),
            end=found.seconds(item.clean_end),
            begins=item.begins,
            measures=item.measures,
        )
        return apply_time(shot, self._edits.get(id))

    def _forced(self, shot: CuratedShot) -> CuratedShot:
        return apply_reject(shot, self._edits.get(shot.id))

    def _look_at(self, shot: CuratedShot) -> CuratedShot:
        """The shot with its own caption, its embeddings and its cast."""
        frames, models = self._frames(shot), self._models
        caption = ""
        if captioner := models.captioner:
            caption = self._stage(
                "captions",
                shot,
                (captioner.identity,),
                lambda: captioner.caption(frames.view(captioner.needs_frames)),
            )
        if encoders := models.encoders:
            vectors = self._stage("embeddings", shot, (encoders.identity,), lambda: encoders.embed(frames.read()))
            shot = replace(shot, embeddings=tuple(vectors))
        if reader := models.cast:
            tree = self._stage("cast", shot, (reader.identity,), lambda: reader.read(frames.read()))
            cast = ShotCast.from_json(tree)
            shot = replace(shot, cast=cast.characters, place=cast.place)
        shot = replace(shot, caption=caption)
        edit = self._edits.get(shot.id)
        if captioner and not caption and not (edit and edit.caption):
            return replace(shot, rejected=("no caption",))
        return shot

    def _with_ids(self, shots: Sequence[CuratedShot]) -> list[CuratedShot]:
        """The shots with the ids of their characters and settings, which hold for the whole video."""
        reader, settings = self._models.cast, self._recipe.cast
        if reader is None:
            return list(shots)
        character, setting = reader.thresholds
        seen = [shot for shot in shots if shot.place]
        ids = cast_ids(
            [ShotCast(characters=shot.cast, place=shot.place) for shot in seen],
            character if settings.same_character is None else settings.same_character,
            setting if settings.same_setting is None else settings.same_setting,
        )
        known = {shot.id: found for shot, found in zip(seen, ids, strict=True)}
        return [replace(shot, ids=known[shot.id]) if shot.id in known else shot for shot in shots]

    def _without_foreign(self, shots: Sequence[CuratedShot]) -> list[CuratedShot]:
        threshold = self._recipe.filters.unrelated
        if threshold is None:
            return list(shots)
        kept = [shot for shot in shots if not shot.rejected]
        reasons = dict(foreign_shots(kept, threshold, self._recipe.sequences.max_shots - 1))
        return [replace(shot, rejected=(reasons[shot.id],)) if shot.id in reasons else shot for shot in shots]

    def _rewritten(self, run: tuple[CuratedShot, ...]) -> tuple[CuratedShot, ...]:
        """A sequence whose captions after the first refer to the shots before."""
        done: list[CuratedShot] = []
        for shot in run:
            written = replace(shot, rewritten=shot.caption)
            if done and self._models.captioner and self._recipe.captions.rewrite and shot.caption:
                written = self._rewrite(self._models.captioner, shot, done)
            done.append(apply_caption(written, self._edits.get(shot.id)))
        return tuple(done)

    def _rewrite(self, captioner: Captioner, shot: CuratedShot, done: Sequence[CuratedShot]) -> CuratedShot:
        earlier = [item.rewritten for item in done]
        own, before, needs = self._frames(shot), self._frames(done[-1]), captioner.needs_frames
        parts = (captioner.identity, shot.caption, earlier)
        answer = self._stage(
            "rewritten",
            shot,
            parts,
            lambda: captioner.rewrite(own.view(needs), shot.caption, before.view(needs), earlier),
        )
        if fault := rewrite_fault(answer, shot.caption, earlier, done[-1].caption):
            return replace(shot, rewritten=shot.caption, rewrite_fault=fault)
        return replace(shot, rewritten=answer)

    def _stage(self, name: str, shot: CuratedShot, parts: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """The stored result of a stage for a shot, or a new one, stored."""
        where = (VERSION, self._video.digest, shot.start, shot.end, self._recipe.captions.frames)
        store, key = self._stores[name], stage_key(*where, *parts)
        value = store.get(key)
        if value is None:
            value = compute()
            store.put(key, value)
        return value

    def _frames(self, shot: CuratedShot) -> ShotFrames:
        return ShotFrames(self._video.path, self._video.found, shot, self._recipe.captions.frames)


class ShotFrames:
    """The frames of a shot, decoded when they are first needed."""

    def __init__(self, path: Path, found: FoundShots, shot: CuratedShot, count: int) -> None:
        self._path, self._found, self._shot, self._count = path, found, shot, count
        self._frames: list[Pixels] | None = None

    def read(self) -> list[Pixels]:
        """Return the frames, (H, W, 3) each."""
        if self._frames is None:
            assert self._found.facts is not None
            start, end = (self._found.pts(seconds) for seconds in (self._shot.start, self._shot.end))
            self._frames = shot_frames(self._path, self._found.facts, start, end, self._count)
        return self._frames

    def view(self, needs_frames: bool) -> ShotView:
        """Return what a captioner is given."""
        frames = self.read() if needs_frames else ()
        return ShotView(video=self._path, start=self._shot.start, end=self._shot.end, frames=frames)
