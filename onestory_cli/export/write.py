"""Write exports atomically; replace an existing file only with `force`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.cut import Cut
from onestory_cli.export.fcpxml import fcpxml
from onestory_cli.export.mark import is_export, mark_gif, mark_mp4, mark_webp
from onestory_cli.export.subtitles import srt, vtt
from onestory_cli.export.target import Target
from onestory_cli.export.timeline import edl, otio
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.utils.atomic import replacing


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """The writer of a target, and its default name in the run directory. `mark` adds the mark that `write` did not."""

    name: str
    write: Callable[[Cut, Path], None]
    mark: Callable[[Path], None] = lambda path: None


def export(cut: Cut, target: Target, path: Path, *, force: bool = False) -> None:
    """Write a film to `path`, a file or, for frames, a folder.

    Raises:
        OnestoryError: X8xx if the target cannot hold the film or `path` exists, M505 or M508 for errors of media, R4xx
            for errors of the disk.
    """
    require_free(path, force=force)
    with os_errors_coded(path), replacing(path) as waiting:
        EXPORTERS[target].write(cut, waiting)
        EXPORTERS[target].mark(waiting)


def default_path(run: Path, target: Target) -> Path:
    """Path of an export without --out."""
    return run / EXPORTERS[target].name


def _text(make: Callable[[Cut], str]) -> Callable[[Cut, Path], None]:
    def write(cut: Cut, path: Path) -> None:
        path.write_bytes(make(cut).encode())

    return write


def _frames(cut: Cut, path: Path) -> None:
    from onestory_cli.export.pictures import write_frames

    write_frames(cut, path)


def _prores(cut: Cut, path: Path) -> None:
    from onestory_cli.export.pictures import write_prores

    write_prores(cut, path)


def _gif(cut: Cut, path: Path) -> None:
    from onestory_cli.export.pictures import write_gif

    write_gif(cut, path)


def _webp(cut: Cut, path: Path) -> None:
    from onestory_cli.export.pictures import write_webp

    write_webp(cut, path)


def _subtitled(cut: Cut, path: Path) -> None:
    from onestory_cli.export.pictures import write_subtitled

    write_subtitled(cut, path)


EXPORTERS = {
    Target.OTIO: Exporter(name="film.otio", write=_text(otio)),
    Target.EDL: Exporter(name="film.edl", write=_text(edl)),
    Target.FCPXML: Exporter(name="film.fcpxml", write=_text(fcpxml)),
    Target.SRT: Exporter(name="film.srt", write=_text(srt)),
    Target.VTT: Exporter(name="film.vtt", write=_text(vtt)),
    Target.FRAMES: Exporter(name="frames", write=_frames),
    Target.PRORES: Exporter(name="film.mov", write=_prores, mark=mark_mp4),
    Target.GIF: Exporter(name="film.gif", write=_gif, mark=mark_gif),
    Target.WEBP: Exporter(name="film.webp", write=_webp, mark=mark_webp),
    Target.MP4: Exporter(name="film.subtitled.mp4", write=_subtitled, mark=mark_mp4),
}


def require_free(path: Path, *, force: bool) -> None:
    """Check that an export may be written to `path`.

    Raises:
        OnestoryError: X801 if something is there that it may not replace.
    """
    if not os.path.lexists(path):
        return
    with os_errors_coded(path):
        ours = is_export(path)
    if not ours:
        help = "choose another path with --out; this is not an earlier export, so it is never replaced"
    elif not force:
        help = "choose another path with --out, or replace it with --force"
    else:
        return
    raise OnestoryError("X801", f'"{path}" already exists', help=help, exit=ExitCode.USAGE)
