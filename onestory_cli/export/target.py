"""What a film can be exported to, by name; apart, so that the command line knows it without loading an exporter."""

from __future__ import annotations

from enum import StrEnum


class Target(StrEnum):
    """What a film can be exported to."""

    OTIO = "otio"
    EDL = "edl"
    FCPXML = "fcpxml"
    SRT = "srt"
    VTT = "vtt"
    FRAMES = "frames"
    PRORES = "prores"
    GIF = "gif"
    WEBP = "webp"
    MP4 = "mp4"
