"""Export subtitles as SubRip and WebVTT: one cue per shot with a subtitle."""

from __future__ import annotations

from onestory_cli.errors import OnestoryError
from onestory_cli.export.cut import Cut, CutShot


def srt(cut: Cut) -> str:
    """The cues as SubRip, which has no escapes.

    Raises:
        OnestoryError: X803 if no shot has a subtitle.
    """
    cues = subtitled_shots(cut)
    return "\n".join(f"{number}\n{_span(shot, cut.fps, ',')}\n{shot.subtitle}\n" for number, shot in enumerate(cues, 1))


def vtt(cut: Cut) -> str:
    """The cues as WebVTT, with shot ids as names.

    Raises:
        OnestoryError: X803 if no shot has a subtitle.
    """
    cues = (f"{shot.id}\n{_span(shot, cut.fps, '.')}\n{_escaped(shot.subtitle)}\n" for shot in subtitled_shots(cut))
    return "\n".join(("WEBVTT onestory export\n", *cues))


def subtitled_shots(cut: Cut) -> list[CutShot]:
    """The shots that have a subtitle.

    Raises:
        OnestoryError: X803 if there are none.
    """
    if shots := [shot for shot in cut.shots if shot.subtitle]:
        return shots
    help = "add `subtitle:` to shots and render again; no shot is regenerated for it"
    raise OnestoryError("X803", f'no shot of "{cut.title}" has a subtitle', help=help)


def _span(shot: CutShot, fps: int, point: str) -> str:
    return " --> ".join(_time(frame, fps, point) for frame in (shot.start, shot.end))


def _time(frame: int, fps: int, point: str) -> str:
    """`01:02:03,500`, to the nearest millisecond."""
    seconds, milliseconds = divmod(round(frame * 1000 / fps), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
