"""Names of export targets, in a module of their own so that the command line loads fast."""

from __future__ import annotations

from enum import StrEnum


class Target(StrEnum):
    """Export formats."""

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
    COMFYUI = "comfyui"
