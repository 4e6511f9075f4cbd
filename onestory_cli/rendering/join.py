"""From the takes that count to the film: joined once, and again only when it would be another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, FilmMuxed
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.audio import sound_of
from onestory_cli.rendering.provenance import KEY, provenance_of
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.store.disk import os_errors_coded, sha256
from onestory_cli.store.run import Run
from onestory_cli.store.takes import CLIP, Take


def require_subtitles(plan: Plan) -> None:
    """Refuse to add subtitles to a film whose shots say nothing.

    Raises:
        OnestoryError: X803.
    """
    if not any(job.subtitle for job in plan.jobs):
        help = "give shots a `subtitle:`: no shot is made anew for it"
        raise OnestoryError("X803", f'no shot of "{plan.story.title}" has a subtitle', help=help)


def join(
    plan: Plan, run: Run, takes: Mapping[str, Take], tell: Callable[[Event], None], *, subtitles: bool = False
) -> None:
    """Join the clips of takes by shot, in film order, unless the film that is there is made of just these.

    Its metadata are the title, and how the film was really made. With `subtitles` it has a track of what shots say.

    Raises:
        OnestoryError: M507 for clips that do not join, R4xx for what the disk refuses.
    """
    metadata = {"title": plan.story.title, KEY: provenance_of(plan, takes, run).to_text()}
    clips = [[shot, take.record.files[CLIP].sha256] for shot, take in takes.items()]
    words = {job.shot: job.subtitle for job in plan.jobs} if subtitles else {}
    key = sha256(canonical([clips, metadata, *([words] if words else [])]))
    if not run.has_film(key):
        run.make_film(key, partial(_mux, plan, run, takes, tell, metadata, words))


def _mux(
    plan: Plan,
    run: Run,
    takes: Mapping[str, Take],
    tell: Callable[[Event], None],
    metadata: Mapping[str, str],
    words: Mapping[str, str],
    path: Path,
) -> None:
    from onestory_cli.media.mux import ClipPart, mux_film

    parts = [ClipPart(path=take.clip, title=shot, subtitle=words.get(shot, "")) for shot, take in takes.items()]
    with os_errors_coded(path):
        info = mux_film(path, parts, metadata=metadata, sound=sound_of(plan, run.input))
    tell(FilmMuxed(path=str(run.film), shots=len(takes), film_seconds=info.seconds))
