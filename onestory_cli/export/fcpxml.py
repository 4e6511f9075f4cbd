"""Export Final Cut Pro XML, exact at any rate, with other takes as auditions.

OpenTimelineIO's adapter supports only eight frame rates, none below 24, and drops other takes.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from onestory_cli.errors import shorten
from onestory_cli.export.cut import Cut, CutShot, frames_of
from onestory_cli.export.sounds import SoundClip, seconds, sound_clips
from onestory_cli.store.takes import Take
from onestory_cli.story.types import Audio

VERSION = "1.8"  # the last with `src` on assets; later versions read it
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<!-- onestory export -->\n'
_FORMAT = "r1"
_MARKER = 80  # characters of a marker name; its note has the whole caption


def fcpxml(cut: Cut) -> str:
    """One project: a spine of shots, captions as markers."""
    root = Element("fcpxml", version=VERSION)
    resources = SubElement(root, "resources")
    SubElement(
        resources,
        "format",
        id=_FORMAT,
        frameDuration=_time(1, cut.fps),
        width=str(cut.width),
        height=str(cut.height),
        colorSpace="1-1-1 (Rec. 709)",
    )
    project = SubElement(root, "project", name=shorten(cut.title, 200))
    sequence = SubElement(project, "sequence", format=_FORMAT, duration=_time(cut.frames, cut.fps))
    spine = SubElement(sequence, "spine")
    primary = [_add_shot(resources, spine, shot, cut.fps) for shot in cut.shots]
    for clip in sound_clips(cut):
        _add_sound(resources, primary, clip, cut)
    ElementTree.indent(root)
    return _HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_shot(resources: Element, spine: Element, shot: CutShot, fps: int) -> Element:
    """Add a clip, or an audition that starts with the accepted take; return the first clip."""
    # Takes of another rate need another format and cannot be part of this cut.
    others = [take for take in shot.others if take.record.clip["fps"] == fps]
    parent = SubElement(spine, "audition") if others else spine
    for take in (shot.take, *others):
        id = f"r{len(resources) + 1}"
        length = _time(frames_of(take), fps)
        name = f"{shot.id} take {take.record.take}" if others else shot.id
        shared = {"name": name, "format": _FORMAT, "start": "0s", "duration": length}
        SubElement(resources, "asset", {"id": id, "src": take.clip.resolve().as_uri(), "hasVideo": "1", **shared})
        clip = SubElement(parent, "asset-clip", {"ref": id, "offset": _time(shot.start, fps), **shared})
        _mark(clip, take, fps)
    return next(parent.iter("asset-clip")) if others else parent[-1]


def _add_sound(resources: Element, primary: list[Element], clip: SoundClip, cut: Cut) -> None:
    """Add a sound clip below the shot in which it begins, in whole frames as editors require."""
    audio, fps = clip.sound.audio, cut.fps
    begin, frames = round(seconds(clip.begin) * fps), max(1, round(seconds(clip.length) * fps))
    place = next(number for number, shot in enumerate(cut.shots) if begin < shot.end or shot is cut.shots[-1])
    name, id = audio.role, f"r{len(resources) + 1}"
    shared = {"name": name, "start": "0s", "duration": _time(frames, fps)}
    source = {"src": clip.sound.path.resolve().as_uri(), "hasAudio": "1", "audioSources": "1"}
    SubElement(resources, "asset", {"id": id, **source, **shared})
    offset = _time(begin - cut.shots[place].start, fps)
    sound = Element("asset-clip", {"ref": id, "lane": str(-1 - clip.lane), "offset": offset, "role": name, **shared})
    _set_volume(sound, audio)
    primary[place].insert(len(primary[place]) - 1, sound)  # the DTD wants connected clips before markers


def _set_volume(sound: Element, audio: Audio) -> None:
    volume = SubElement(sound, "adjust-volume", amount=f"{audio.gain:g}dB")
    fades = {"fadeIn": audio.fade_in, "fadeOut": audio.fade_out}
    if any(fades.values()):
        param = SubElement(volume, "param", name="amount")
        for tag, length in fades.items():
            if length:
                SubElement(param, tag, type="linear", duration=f"{Fraction(length).limit_denominator(48_000)}s")


def _mark(clip: Element, take: Take, fps: int) -> None:
    caption = str(take.record.spec["caption"])
    SubElement(clip, "marker", start="0s", duration=_time(1, fps), value=shorten(caption, _MARKER), note=caption)


def _time(frames: int, fps: int) -> str:
    """Seconds as an exact fraction."""
    return f"{frames}/{fps}s" if frames else "0s"
