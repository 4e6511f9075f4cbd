"""Check and open the sounds of a story. A sound is decoded once; the digest of a readable one is remembered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic, unplaced
from onestory_cli.utils.cache import remember_check, was_checked
from onestory_cli.utils.untrusted import file_sha256, open_regular

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

MAX_SOUND_BYTES = 128 * 1024 * 1024
MAX_DECODED_SECONDS = 3600.0  # per story, of stereo at 48 kHz; two to ten seconds of work
_SECOND = 2 * 48_000  # samples of all channels; FLAC can state eight channels at 655 kHz, 55 times the work

# Suffix -> the FFmpeg demuxer for it. Only these may open a file: others follow links to further files, which the
# sender chooses.
AUDIO_READERS = {
    ".wav": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".m4a": "mov",
    ".aac": "aac",
}
_SIGNATURES = {b"RIFF": "wav", b"RF64": "wav", b"fLaC": "flac", b"OggS": "ogg"}
_EXACT = ("flac", "mov")  # formats whose header states the length; FFmpeg derives that of WAV from the file's size
_UNKNOWN_SIZE = 2**31 - 2**16  # from here on, the size that programs write before they know it
_MISSING = 0.02  # fraction of the stated length; encoders pad and trim a little
_CHECK = "sound-1"  # raise the number when the check finds more


class SoundCheck:
    """Checks the sounds of one story: (file, name for messages) -> S172, S173 or None.

    Of all sounds together the first `MAX_DECODED_SECONDS` are decoded.
    """

    def __init__(self) -> None:
        self._seconds = MAX_DECODED_SECONDS

    def __call__(self, file: Path, name: str) -> Diagnostic | None:
        if file.stat().st_size > MAX_SOUND_BYTES:
            return unplaced("S173", f"{name} is larger than {MAX_SOUND_BYTES // 1024**2} MiB", "save it as FLAC or MP3")
        if not file.is_file() or file.suffix.lower() not in AUDIO_READERS:
            return unplaced("S172", f"{name} is not a readable sound", _USE)
        digest = file_sha256(file)[0].hex()
        check = f"{_CHECK}-{reader_of(file)}"
        if was_checked(check, digest):
            return None
        found = self._decode(file, name)
        if found is None and self._seconds > 0:
            remember_check(check, digest)
        return found

    def _decode(self, file: Path, name: str) -> Diagnostic | None:
        """S172 for a sound that cannot be decoded. Stops when the time is used up."""
        import av

        seconds = stated = cost = 0.0
        try:
            with open_sound(file) as container:
                stated = (container.duration or 0) / av.time_base if reader_of(file) in _EXACT else 0.0
                for frame in container.decode(audio=0):
                    if not _is_finite(frame):
                        return unplaced(
                            "S172", f"{name} has samples that are not numbers, first at {seconds:.1f} s", _EXPORT
                        )
                    seconds += frame.samples / frame.sample_rate
                    cost += max(frame.samples / frame.sample_rate, frame.samples * frame.layout.nb_channels / _SECOND)
                    if cost >= max(self._seconds, 0.0):
                        self._seconds -= cost
                        return None
        except (av.error.FFmpegError, IndexError):
            if seconds:
                return unplaced("S172", f"{name} is damaged: it cannot be decoded after {seconds:.1f} s", _EXPORT)
        if not seconds:
            return unplaced("S172", f"{name} is not a readable sound", _USE)
        self._seconds -= cost
        stated = max(stated, seconds * _stated_part(file))
        if seconds < stated * (1 - _MISSING):
            message = f"{name} is cut off: {seconds:.1f} s of {stated:.1f} s are in the file"
            return unplaced("S172", message, "copy or export it again")
        return None


_USE = f"use a sound file that ends in {', '.join(AUDIO_READERS)}"
_EXPORT = "export it again, for example as FLAC or 16-bit WAV"


def open_sound(file: Path) -> InputContainer:
    """Open a sound with the demuxer for its content.

    Raises:
        av.error.FFmpegError: it is not a sound of a supported format.
        OSError, ValueError: the file cannot be read.
    """
    import av

    return av.open(str(file.absolute()), format=reader_of(file))


def reader_of(file: Path) -> str:
    """The FFmpeg demuxer for a sound, by its first bytes or, if they are not conclusive, by its suffix."""
    by_suffix = AUDIO_READERS[file.suffix.lower()]
    with open_regular(file) as opened:
        head = opened.read(12)
    if head[:4] in _SIGNATURES:
        return _SIGNATURES[head[:4]]
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:3] == b"ID3":  # a tag that any of the three may start with
        return by_suffix if by_suffix in ("aac", "flac") else "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a frame of MPEG audio; layer 0 is AAC
        return "mp3" if head[1] & 0x06 else "aac"
    return by_suffix


def _stated_part(file: Path) -> float:
    """The bytes of samples that the header of a WAV file states, divided by those in the file; 1.0 for others."""
    with file.open("rb") as opened:
        if opened.read(12)[:4] != b"RIFF":
            return 1.0
        while len(head := opened.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                there = file.stat().st_size - opened.tell()
                return size / there if there and size < _UNKNOWN_SIZE else 1.0
            opened.seek(size + size % 2, 1)
    return 1.0


def _is_finite(frame: av.AudioFrame) -> bool:
    """Whether all samples of a frame are numbers. Only floating point formats have others."""
    import numpy as np

    return not frame.format.name.startswith(("flt", "dbl")) or bool(np.isfinite(frame.to_ndarray()).all())
