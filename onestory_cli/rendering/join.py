"""Join the clips of the accepted takes to the film, unless it exists already."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.events import Emit, FilmMuxed
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.audio import sound_of
from onestory_cli.rendering.provenance import KEY, provenance_of
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.store.disk import os_errors_coded, sha256
from onestory_cli.store.layout import CLIP
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter


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

    parts = [ClipPart(path=take.clip, title=shot, subtitle=words.get(shot, "")) for shot, take in takes.items()]
    with os_errors_coded(path):
        info = mux_film(path, parts, metadata=metadata, sound=sound_of(plan, run.input))
    emit(FilmMuxed(path=str(run.film), shots=len(takes), film_seconds=info.seconds))
