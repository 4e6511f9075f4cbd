"""Join clips into a film by copying packets, with a chapter per shot, metadata, sound and subtitles.

The film is written to a temporary file and renamed, so it is complete or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from onestory_cli.errors import OnestoryError
from onestory_cli.media.sound import SoundEncoder
from onestory_cli.media.subtitled import Cue, add_subtitle_stream, cue_packet
from onestory_cli.media.video import count_packets, open_video
from onestory_cli.utils.atomic import replacing

# Without use_metadata_tags mp4 silently drops every key that it has no name for.
_MOVFLAGS = "+faststart+use_metadata_tags"


@dataclass(frozen=True, kw_only=True)
class ClipPart:
    """One clip of a film. `title` names its chapter, and the shot in errors; `subtitle` is shown for the whole clip.

    `read` returns the bytes of the clip and verifies them at each call, so that a clip which changes during muxing is
    refused. Without it, the file at `path` is read.
    """

    path: Path
    title: str
    subtitle: str = ""
    read: Callable[[], bytes] | None = None

    def open(self) -> AbstractContextManager[InputContainer]:
        return open_video(self.path, self.read() if self.read else None)


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter, in seconds from the start of the film; stored to the millisecond."""

    title: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class FilmInfo:
    """The muxed film: `seconds` is the exact sum of the lengths of the clips."""

    seconds: float
    frames: int
    chapters: tuple[Chapter, ...]


@dataclass(frozen=True, kw_only=True)
class _InspectedClip:
    """A clip as inspected: `layout` and `headers` (decoder settings) must be equal to join by copying."""

    part: ClipPart
    layout: str
    headers: bytes
    frames: int
    seconds: Fraction


def mux_film(
    path: Path, clips: Sequence[ClipPart], *, metadata: Mapping[str, str], sound: Iterator[np.ndarray] | None = None
) -> FilmInfo:
    """Join clips, in order, into the film at `path`; the decoded frames are the clips' own.

    `metadata`: players show "title"; other keys are free.
    `sound`: blocks of samples for the whole film, see `sound.mix`; None for a silent film.
    The film gets a subtitle track (mov_text) if any clip has a subtitle.

    Raises:
        OnestoryError: M507 for incompatible clips, M508 for an unreadable clip.
        OSError: the film cannot be written; an old film at `path` is unchanged.
    """
    assert clips, "a film has at least one clip"
    sources = [_inspect(part) for part in clips]
    _require_alike(sources)
    starts = list(accumulate((source.seconds for source in sources), initial=Fraction(0)))
    with replacing(path) as temporary:
        _write(temporary, sources, starts, metadata, sound)
    chapters = tuple(
        Chapter(title=source.part.title, start=float(start), end=float(start + source.seconds))
        for source, start in zip(sources, starts, strict=False)
    )
    return FilmInfo(seconds=float(starts[-1]), frames=sum(source.frames for source in sources), chapters=chapters)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a film, including keys of the container ("major_brand", "encoder").

    Raises:
        OnestoryError: M508 for an unreadable video.
    """
    with open_video(path) as film:
        return dict(film.metadata)


def _inspect(part: ClipPart) -> _InspectedClip:
    with part.open() as clip:
        stream = clip.streams.video[0]
        codec = stream.codec_context
        layout = f"{codec.name} {codec.pix_fmt} {stream.width}x{stream.height} at {stream.average_rate} fps"
        headers = bytes(codec.extradata or b"")
        frames, seconds = count_packets(clip)
    return _InspectedClip(part=part, layout=layout, headers=headers, frames=frames, seconds=seconds)


def _require_alike(sources: Sequence[_InspectedClip]) -> None:
    first = sources[0]
    different = [source for source in sources if source.layout != first.layout]
    if different:
        found = "; ".join(f'shot "{source.part.title}" is {source.layout}' for source in (first, *different))
        help = "give all shots the same width, height and fps, then rerender them"
    elif different := [source for source in sources if source.headers != first.headers]:
        names = ", ".join(f'"{source.part.title}"' for source in different)
        found = f'the clips of {names} were encoded with other settings than that of "{first.part.title}"'
        help = "rerender those shots with this version"
    if different:
        raise OnestoryError("M507", f"the clips cannot be joined into one film: {found}", help=help)


def _write(
    path: Path,
    sources: Sequence[_InspectedClip],
    starts: Sequence[Fraction],
    metadata: Mapping[str, str],
    sound: Iterator[np.ndarray] | None,
) -> None:
    with av.open(str(path.absolute()), "w", format="mp4", options={"movflags": _MOVFLAGS}) as film:
        with sources[0].part.open() as clip:
            stream = film.add_stream_from_template(clip.streams.video[0])
        audio = SoundEncoder(film, sound) if sound else None
        subtitles = add_subtitle_stream(film) if any(source.part.subtitle for source in sources) else None
        # Set both before the first packet: FFmpeg silently ignores later values.
        film.metadata.update(metadata)
        film.set_chapters(
            [
                {
                    "id": number,
                    "start": int(start * 1_000_000),
                    "end": int((start + source.seconds) * 1_000_000),
                    "time_base": Fraction(1, 1_000_000),
                    "metadata": {"title": source.part.title},
                }
                for number, (source, start) in enumerate(zip(sources, starts, strict=False), start=1)
            ]
        )
        for source, start in zip(sources, starts, strict=False):
            if subtitles and source.part.subtitle:
                cue = Cue(start=start, end=start + source.seconds, text=source.part.subtitle)
                film.mux(cue_packet(cue, subtitles))
            _copy_packets(source.part, film, stream, start)
            if audio:
                film.mux([*audio.up_to(start + source.seconds)])
        if audio:
            film.mux([*audio.up_to(None)])


def _copy_packets(part: ClipPart, film: OutputContainer, stream: VideoStream, start: Fraction) -> None:
    """Append a clip's packets, moved to begin at `start` seconds."""
    with part.open() as clip:
        for packet in clip.demux(video=0):
            if packet.dts is None or packet.pts is None:  # the empty packet at the end of a stream
                continue
            shift = int(start / packet.time_base)
            packet.pts += shift
            packet.dts += shift
            packet.stream = stream
            film.mux(packet)
