"""Join the clips of the accepted takes to the film, unless it exists already, with sound and provenance.

The provenance in the film's metadata is the resolved story, seeds, models and the tool, as JSON. With the model and the
files that the story names, the film can be rendered again from it. It says nothing about the machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import OnestoryError, shorten
from onestory_cli.events import Emit, FilmMuxed
from onestory_cli.planning.jobs import ImageInput, Plan
from onestory_cli.planning.serialize import portable, story_text
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.store.disk import os_errors_coded, sha256
from onestory_cli.store.keys import IMPORTED
from onestory_cli.store.layout import CLIP, INPUTS
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.story.types import Audio
from onestory_cli.utils.parsing import parse
from onestory_cli.version import __version__

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.media.sound import Track


def require_subtitles(plan: Plan) -> None:
    """Check that there is something to put on a subtitle track.

    Raises:
        OnestoryError: X803 if no shot has a subtitle.
    """
    if not any(job.subtitle for job in plan.jobs):
        help = "add `subtitle:` to a shot; this does not render it again"
        raise OnestoryError("X803", f'no shot of "{plan.story.title}" has a subtitle', help=help)


def join(plan: Plan, writer: RunWriter, takes: Mapping[str, Take], emit: Emit, *, subtitles: bool = False) -> None:
    """Join the clips of `takes` (by shot, in film order), unless the existing film consists of the same ones.

    The film's metadata has the title and the provenance. With `subtitles` it has a track of what the shots say.

    Raises:
        OnestoryError: M507 for clips that cannot be joined, R4xx for an error of the disk.
    """
    metadata = {"title": plan.story.title, KEY: provenance_of(plan, takes, writer.run).to_text()}
    clips = [[shot, take.record.files[CLIP].sha256] for shot, take in takes.items()]
    words = {job.shot: job.subtitle for job in plan.jobs} if subtitles else {}
    key = sha256(canonical([clips, metadata, *([words] if words else [])]))
    if not writer.has_film(key):
        writer.write_film(key, partial(_mux, plan, writer.run, takes, emit, metadata, words))


def _mux(
    plan: Plan,
    run: Run,
    takes: Mapping[str, Take],
    emit: Emit,
    metadata: Mapping[str, str],
    words: Mapping[str, str],
    path: Path,
) -> None:
    from onestory_cli.media.mux import ClipPart, mux_film

    parts = [
        ClipPart(path=take.clip, title=shot, subtitle=words.get(shot, ""), read=take.read_clip)
        for shot, take in takes.items()
    ]
    with os_errors_coded(path):
        info = mux_film(path, parts, metadata=metadata, sound=sound_of(plan, run.input))
    emit(FilmMuxed(path=str(run.film), shots=len(takes), film_seconds=info.seconds))


@dataclass(frozen=True, kw_only=True)
class PlacedSound:
    """A sound and the part of the film that it belongs to: from `start` to `end`, in seconds."""

    path: Path
    audio: Audio
    start: Fraction
    end: Fraction

    @property
    def begin(self) -> Fraction:
        """The time when it starts to play, in seconds."""
        return self.start + Fraction(self.audio.offset)


def sound_of(plan: Plan, file: Callable[[ImageInput], Path]) -> Iterator[np.ndarray] | None:
    """The sound of a film as blocks of samples; None if the story has no sounds. `file` locates each file."""
    return mixed(_placed(plan, file), _starts(plan)[-1]) if plan.sounds else None


def mixed(sounds: Iterable[PlacedSound], seconds: Fraction) -> Iterator[np.ndarray]:
    """The mix of `sounds` as blocks of samples, for a film of this length."""
    from onestory_cli.media.sound import mix, samples_of

    return mix(_tracks(sounds), samples_of(seconds))


def _tracks(sounds: Iterable[PlacedSound]) -> list[Track]:
    """A track for each audible sound. Music is lowered while there is narration."""
    from onestory_cli.media.sound import length_of

    heard = [(sound.audio.role, _track(sound)) for sound in sounds if sound.begin < sound.end]
    spoken = tuple(
        (track.begin, track.begin + length_of(track.path, track.limit - track.begin))
        for role, track in heard
        if role == "narration"
    )
    return [replace(track, ducked=spoken) if role == "music" else track for role, track in heard]


def _track(sound: PlacedSound) -> Track:
    from onestory_cli.media.sound import Track, samples_of

    return Track(
        path=sound.path,
        begin=samples_of(sound.begin),
        limit=samples_of(sound.end),
        gain_db=sound.audio.gain,
        fade_in=samples_of(sound.audio.fade_in),
        fade_out=samples_of(sound.audio.fade_out),
    )


def _placed(plan: Plan, file: Callable[[ImageInput], Path]) -> Iterator[PlacedSound]:
    """The place of each sound in the film; the sound of a shot belongs to its shot."""
    starts = _starts(plan)
    for sound in plan.sounds:
        place = plan.job(sound.shot).index if sound.shot else None
        start, end = (starts[0], starts[-1]) if place is None else starts[place : place + 2]
        yield PlacedSound(path=file(sound.input), audio=sound.audio, start=start, end=end)


def _starts(plan: Plan) -> list[Fraction]:
    """The times when each shot starts, in seconds, and when the film ends."""
    return list(accumulate((Fraction(job.clip_frames, job.fps) for job in plan.jobs), initial=Fraction(0)))


KEY = "onestory"  # in the metadata
FORMAT = 1
MAX_SHOTS = 5000  # as in the schema of stories


@dataclass(frozen=True, kw_only=True)
class ProvenanceModel:
    """A model: `fingerprint` covers its weights and everything else that shots depend on."""

    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a film was rendered. `story` is the text of a story that renders it again, `files` the digests of its files.

    `shots` has for each shot, in film order, its id, the number of its take, the digest of the latents, and the fields
    of the take's spec and clip (`store/keys.py`); "imported" has name and digest of the file of an imported take.
    """

    format: int = FORMAT
    tool: str
    title: str
    model: ProvenanceModel
    first_shot_model: ProvenanceModel | None = None
    story: str
    files: Mapping[str, str]
    shots: tuple[Mapping[str, Any], ...]

    def to_text(self) -> str:
        return canonical(asdict(self)).decode()

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Provenance:
        """The provenance that `to_text` wrote under KEY.

        Raises:
            OnestoryError: M515 if there is none or it is invalid.
        """
        if KEY not in metadata:
            raise _unreadable("its metadata has none")
        try:
            document = json.loads(metadata[KEY])
            if document["format"] != FORMAT:
                raise _unreadable(
                    f"it has format {shorten(document['format'])}, and this version reads format {FORMAT}"
                )
            if len(document["story"].encode()) > MAX_BYTES or len(document["shots"]) > MAX_SHOTS:
                raise _unreadable("it is too long")
            provenance: Provenance = parse(cls, document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise _unreadable("it is damaged, or an early version wrote it") from fault
        return provenance


def provenance_of(plan: Plan, takes: Mapping[str, Take], run: Run) -> Provenance:
    """The provenance of the film of these takes. The story's files have the names of their copies in the run."""
    names = {image.path: f"{INPUTS}/{run.input(image).name}" for image in plan.files}
    return Provenance(
        tool=f"onestory {__version__}",
        title=plan.story.title,
        model=ProvenanceModel(name=portable(plan.model.name), fingerprint=plan.model_fingerprint),
        first_shot_model=ProvenanceModel(
            name=portable(plan.first_shot_model.spec.name), fingerprint=plan.first_shot_model.fingerprint
        )
        if plan.first_shot_model
        else None,
        story=story_text(plan, names=names, seeds=_changed_seeds(plan, takes)),
        files={names[image.path]: image.sha256 for image in plan.files},
        shots=tuple(_shot_fields(shot, take) for shot, take in takes.items()),
    )


def _changed_seeds(plan: Plan, takes: Mapping[str, Take]) -> dict[str, int]:
    """The seeds of the takes that differ from those that the story gives."""
    seeds = {shot: int(take.record.spec["seed"] or 0) for shot, take in takes.items()}
    return {job.shot: seeds[job.shot] for job in plan.jobs if seeds[job.shot] != job.seed}


def _shot_fields(shot: str, take: Take) -> dict[str, Any]:
    record = take.record
    imported = {IMPORTED: {"name": record.imported.name, "sha256": record.imported.sha256}} if record.imported else {}
    return {"id": shot, "take": record.take, "latents": take.digest, **record.spec, **record.clip, **imported}


def _unreadable(why: str) -> OnestoryError:
    help = "use a film that `onestory render` of this version wrote"
    return OnestoryError("M515", f"cannot read the provenance of the film: {why}", help=help)
