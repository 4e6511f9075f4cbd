"""Copy a film and add a subtitle track (mov_text).

A mov_text cue (3GPP timed text) is the byte length as 16 bits, then UTF-8 text without styles or escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from onestory_cli.media.video import open_video

_MOVFLAGS = "+faststart+use_metadata_tags"
_MILLISECOND = Fraction(1, 1000)
# FFmpeg requires the header of an ASS script to open its mov_text encoder, which is not used otherwise.
_ASS_HEAD = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n[Events]\nFormat: Text\n"
)
_CONTAINERS_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A subtitle and its time, in seconds."""

    start: Fraction
    end: Fraction
    text: str


def add_subtitles(film: Path, path: Path, cues: Sequence[Cue]) -> None:
    """Write `film` with `cues` to `path`; video and sound packets are copied.

    Raises:
        OnestoryError: M508 for an unreadable film.
    """
    with (
        open_video(film) as source,
        av.open(str(path.absolute()), "w", format="mp4", options={"movflags": _MOVFLAGS}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in _copied(source)}
        stream = add_subtitle_stream(target)
        target.metadata.update({key: value for key, value in source.metadata.items() if key not in _CONTAINERS_OWN})
        target.set_chapters(source.chapters())
        for cue in cues:
            target.mux(cue_packet(cue, stream))
        for packet in source.demux(_copied(source)):
            if packet.dts is not None:  # the empty packet at the end of a stream has none
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


def _copied(film: InputContainer) -> list[Stream]:
    """Video and sound streams; chapters are written separately."""
    return [*film.streams.video, *film.streams.audio]


def add_subtitle_stream(target: OutputContainer) -> Stream:
    """Add a mov_text stream. Call it before the first packet of any stream."""
    stream = target.add_stream("mov_text")
    stream.time_base = _MILLISECOND
    stream.codec_context.time_base = _MILLISECOND
    stream.codec_context.subtitle_header = _ASS_HEAD
    return stream


def cue_packet(cue: Cue, stream: Stream) -> Packet:
    """Encode a cue as a packet of the stream."""
    text = cue.text.encode()
    packet = Packet(len(text).to_bytes(2, "big") + text)
    packet.pts = packet.dts = round(cue.start * 1000)
    packet.duration = round(cue.end * 1000) - packet.pts
    packet.time_base, packet.stream = _MILLISECOND, stream
    return packet
