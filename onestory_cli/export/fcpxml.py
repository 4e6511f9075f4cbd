"""A film as Final Cut Pro XML: exact at any rate, other takes as an audition.

Written here, because OpenTimelineIO's adapter knows only eight frame rates, none below 24, and drops other takes.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from onestory_cli.errors import shorten
from onestory_cli.export.cut import Cut, CutShot, frames_of
from onestory_cli.store.takes import Take

VERSION = "1.8"  # the last one whose assets name their file themselves; every later version reads it
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
_FORMAT = "r1"
_MARKER = 80  # characters of a marker's name; the whole caption is its note


def fcpxml(cut: Cut) -> str:
    """The film as one project: a spine of shots, captions as markers."""
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
    for shot in cut.shots:
        _add_shot(resources, spine, shot, cut.fps)
    ElementTree.indent(root)
    return _HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_shot(resources: Element, spine: Element, shot: CutShot, fps: int) -> None:
    """One clip; with other takes, an audition whose first clip is the take that counts."""
    # A take of another rate was made for an earlier story; it has a format of its own, and no place in this cut.
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


def _mark(clip: Element, take: Take, fps: int) -> None:
    caption = str(take.record.spec["caption"])
    SubElement(clip, "marker", start="0s", duration=_time(1, fps), value=shorten(caption, _MARKER), note=caption)


def _time(frames: int, fps: int) -> str:
    """Seconds as a fraction over the rate, which stays exact."""
    return f"{frames}/{fps}s" if frames else "0s"
