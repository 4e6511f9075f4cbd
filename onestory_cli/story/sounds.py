"""The sounds that a story names: inside its folder, there, and sound. Refused before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.images import leaves
from onestory_cli.story.source import KeyPath, Source

# Ending -> the one reader of FFmpeg that is asked: others follow links to further files, which a stranger may name.
READERS = {
    ".wav": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".m4a": "mov",
    ".aac": "aac",
}
MAX_BYTES = 128 * 1024 * 1024
MOST_FILES, MOST_BYTES = 1000, 256 * 1024 * 1024  # of all sounds of a story


def named_sounds(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Where a story names a sound, and its path as written."""
    owners: list[tuple[KeyPath, Any]] = [((), tree)]
    owners += [(("shots", index), shot) for index, shot in enumerate(tree.get("shots", []))]
    for path, owner in owners:
        if (file := owner.get("audio", {}).get("file", "")).strip():
            yield (*path, "audio", "file"), file


def check_sounds(
    source: Source, named: Iterable[tuple[KeyPath, str]], *, folder: Path, allow_outside: bool
) -> Iterator[Diagnostic]:
    """S150, S151 and S171 to S173 for sounds, given as (where the story names it, path as written)."""
    faults: dict[str, Diagnostic | None] = {}
    size = 0
    for path, sound in named:
        if sound not in faults:
            faults[sound] = _fault(sound, folder, allow_outside)
            size += 0 if faults[sound] else (folder / sound).stat().st_size
        if fault := faults[sound]:
            yield Diagnostic(code=fault.code, message=fault.message, help=fault.help, place=source.place(path))
        if len(faults) > MOST_FILES or size > MOST_BYTES:
            message = f"the sounds up to this one are more than {MOST_FILES} or {MOST_BYTES // 1024**2} MiB"
            help = "save them as FLAC, MP3 or Opus, or name fewer of them"
            yield Diagnostic(code="S173", message=message, help=help, place=source.place(path))
            return


def _fault(sound: str, folder: Path, allow_outside: bool) -> Diagnostic | None:
    """What is wrong with a sound, without a place."""
    name, file = f'"{shorten(sound)}"', folder / sound
    try:
        if not allow_outside and (fault := leaves(sound, name, folder)):
            return fault
        if not file.exists():
            near = did_you_mean(file.name, sorted(item.name for item in file.parent.iterdir()) if _there(file) else [])
            return _finding("S171", f"no sound {name}", near or "the path is relative to the story file")
        if file.stat().st_size > MAX_BYTES:
            help = "save it as FLAC, MP3 or Opus"
            return _finding("S173", f"{name} is larger than {MAX_BYTES // 1024**2} MiB", help)
        if not file.is_file() or not _is_sound(file):
            help = f"name a file with sound, which ends in {', '.join(READERS)}"
            return _finding("S172", f"{name} is not a sound that can be read", help)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or str(error)
        return _finding("S172", f"{name} cannot be read: {why}", "check the path and the permissions of the file")
    return None


def _there(file: Path) -> bool:
    return file.parent.is_dir()


def _is_sound(file: Path) -> bool:
    """Whether the one reader for its ending finds sound in a file; only its beginning is decoded."""
    import av

    reader = READERS.get(file.suffix.lower())
    if reader is None:
        return False
    try:
        with av.open(str(file.absolute()), format=reader) as container:
            return any(frame.samples for frame in container.decode(audio=0))
    except (av.error.FFmpegError, IndexError):
        return False


def _finding(code: str, message: str, help: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, help=help)
