"""Export timelines with OpenTimelineIO: a clip per shot, takes as media, captions as markers.

Media have absolute file URLs, as editors require: export again after moving a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.export.cut import Cut, CutShot, frames_of
from onestory_cli.export.mark import MARK
from onestory_cli.export.sounds import SoundClip, sound_clips
from onestory_cli.store.takes import Take

if TYPE_CHECKING:
    from opentimelineio.schema import Clip, ExternalReference, Timeline, Track

TIMECODES = (24, 25, 30, 48, 50, 60)  # integer rates of SMPTE timecode
_MARKER = 80  # characters of a marker name; its comment has the whole caption


def otio(cut: Cut) -> str:
    """An OpenTimelineIO document; the accepted take is the active media, others are alternatives.

    Raises:
        OnestoryError: X802 without the library, M516 for an unreadable sound.
    """
    library, timeline = _library(), _timeline(cut)
    timeline.metadata["onestory"] = {"by": MARK.decode()}
    timeline.tracks.extend(_sound_tracks(cut))
    return str(library.adapters.write_to_string(timeline, adapter_name="otio_json"))


def edl(cut: Cut) -> str:
    """A CMX 3600 edit decision list, at the lowest timecode rate that keeps every cut exact.

    Raises:
        OnestoryError: X802 without the library or its adapter, X804 for a rate without an exact timecode.
    """
    library, rate = _library(), timecode_rate(cut.fps)
    if "cmx_3600" not in library.adapters.available_adapter_names():
        raise _not_installed("its adapter for EDL")
    timeline = _timeline(cut)
    for clip in timeline.find_clips():
        _move_markers(clip)
    text = str(library.adapters.write_to_string(timeline, adapter_name="cmx_3600", rate=rate))
    return f"{text}* {MARK.decode()}\n"  # lines with an asterisk are comments


def _move_markers(clip: Clip) -> None:
    """Give the markers of a clip the time at which it begins in the film, which editors expect in an EDL."""
    from opentimelineio.opentime import TimeRange

    begin = clip.range_in_parent().start_time
    for marker in clip.markers:
        marker.marked_range = TimeRange(begin, marker.marked_range.duration)


def timecode_rate(fps: int) -> int:
    """The lowest timecode rate that is a multiple of `fps`.

    Raises:
        OnestoryError: X804 if there is none.
    """
    for rate in TIMECODES:
        if rate % fps == 0:
            return rate
    counts = ", ".join(map(str, TIMECODES))
    help = f"set an fps that divides one of {counts}, or export to otio or fcpxml"
    raise OnestoryError("X804", f"an EDL has no timecode for {fps} frames per second", help=help)


def _library() -> Any:
    try:
        import opentimelineio
    except ImportError as fault:
        raise _not_installed("OpenTimelineIO") from fault
    return opentimelineio


def _not_installed(what: str) -> OnestoryError:
    help = "pip install 'onestory[export]'"
    return OnestoryError("X802", f"{what} is not installed", help=help, exit=ExitCode.MACHINE)


def _timeline(cut: Cut) -> Timeline:
    from opentimelineio import schema

    track = schema.Track("shots", kind=schema.TrackKind.Video)
    track.extend(_clip(shot, cut.fps) for shot in cut.shots)
    timeline = schema.Timeline(shorten(cut.title, 200))
    timeline.tracks.append(track)
    return timeline


def _sound_tracks(cut: Cut) -> Iterator[Track]:
    """A track per lane of sounds; silence is a gap."""
    from opentimelineio import schema

    from onestory_cli.media.sound import RATE

    clips = list(sound_clips(cut))
    for lane in sorted({clip.lane for clip in clips}):
        track, end = schema.Track(f"sound {lane + 1}", kind=schema.TrackKind.Audio), 0
        for clip in (clip for clip in clips if clip.lane == lane):
            if clip.begin > end:
                track.append(schema.Gap(source_range=_range(clip.begin - end, RATE)))
            track.append(_sound(clip, RATE))
            end = clip.begin + clip.length
        yield track


def _sound(clip: SoundClip, rate: int) -> Clip:
    from opentimelineio import schema

    audio = clip.sound.audio
    length = _range(clip.length, rate)
    media = schema.ExternalReference(target_url=clip.sound.path.resolve().as_uri(), available_range=length)
    metadata = {"onestory": {key: value for key, value in asdict(audio).items() if key != "offset"}}
    return schema.Clip(audio.role, media_reference=media, source_range=length, metadata=metadata)


def _clip(shot: CutShot, fps: int) -> Clip:
    from opentimelineio import schema

    clip = schema.Clip(shot.id, source_range=_range(shot.frames, fps), metadata=dict(_facts(shot)))
    references = {_key(take): _reference(take) for take in shot.takes}
    clip.set_media_references(references, _key(shot.take))
    name = shorten(shot.caption, _MARKER)
    clip.markers.append(schema.Marker(name=name, marked_range=_range(1, fps), comment=shot.caption))
    return clip


def _facts(shot: CutShot) -> Iterator[tuple[str, dict[str, Any]]]:
    record = shot.take.record
    words = {"subtitle": shot.subtitle} if shot.subtitle else {}
    yield "onestory", {"caption": shot.caption, **words, "take": record.take, "key": record.key}
    yield "cmx_3600", {"reel": f"S{shot.number:04}"}  # otherwise all reels have the name of the file, clip.mp4


def _key(take: Take) -> str:
    return f"take-{take.record.take}-{take.id[:6]}"


def _reference(take: Take) -> ExternalReference:
    from opentimelineio import schema

    record = take.record
    return schema.ExternalReference(
        target_url=take.clip.resolve().as_uri(),
        available_range=_range(frames_of(take), int(record.clip["fps"] or 1)),
        metadata={"onestory": {"take": record.take, "seed": str(record.spec["seed"]), "key": record.key}},
    )


def _range(frames: int, fps: int) -> Any:
    from opentimelineio.opentime import RationalTime, TimeRange

    return TimeRange(RationalTime(0, fps), RationalTime(frames, fps))
