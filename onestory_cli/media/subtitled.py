"""A film with a track of subtitles: its packets, chapters and metadata are copied, the words are added as mov_text.

A cue of mov_text (3GPP timed text) is its length in bytes, 16 bits, and its text in UTF-8: no styles, no escapes.
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
# FFmpeg opens its encoder of mov_text, which is not used here, only with the head of an ASS script.
_ASS_HEAD = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n[Events]\nFormat: Text\n"
)
_CONTAINERS_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Words and when they are read, in seconds."""

    start: Fraction
    end: Fraction
    text: str


def add_subtitles(film: Path, path: Path, cues: Sequence[Cue]) -> None:
    """Write `film` with its cues to `path`; the frames and the sound are the film's own.

    Raises:
        OnestoryError: M508 for a film that cannot be read.
    """
    with (
        open_video(film) as source,
        av.open(str(path.absolute()), "w", format="mp4", options={"movflags": _MOVFLAGS}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in _copied(source)}
        words = add_subtitle_stream(target)
        target.metadata.update({key: value for key, value in source.metadata.items() if key not in _CONTAINERS_OWN})
        target.set_chapters(source.chapters())
        for cue in cues:
            target.mux(cue_packet(cue, words))
        for packet in source.demux(_copied(source)):
            if packet.dts is not None:  # the empty packet that ends a stream has none
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


def _copied(film: InputContainer) -> list[Stream]:
    """Picture and sound; the chapters are a stream too, which is made anew."""
    return [*film.streams.video, *film.streams.audio]


def add_subtitle_stream(target: OutputContainer) -> Stream:
    """A track of mov_text for cues; to be added before the first packet of any stream."""
    words = target.add_stream("mov_text")
    words.time_base = _MILLISECOND
    words.codec_context.time_base = _MILLISECOND
    words.codec_context.subtitle_header = _ASS_HEAD
    return words


def cue_packet(cue: Cue, words: Stream) -> Packet:
    """A cue as a packet of the track `words`."""
    text = cue.text.encode()
    packet = Packet(len(text).to_bytes(2, "big") + text)
    packet.pts = packet.dts = round(cue.start * 1000)
    packet.duration = round(cue.end * 1000) - packet.pts
    packet.time_base, packet.stream = _MILLISECOND, words
    return packet
