"""FCPXML is read back by an XML reader and by OpenTimelineIO's adapter, which does not support auditions."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import opentimelineio
import pytest

from onestory_cli.export.cut import Cut
from onestory_cli.export.fcpxml import fcpxml


@pytest.mark.parametrize("fps", [8, 16, 24, 25])
def test_the_adapter_reads_every_shot(cut: Cut, fps: int) -> None:
    single = replace(cut, fps=fps, shots=tuple(replace(shot, others=()) for shot in cut.shots))
    timeline = opentimelineio.adapters.read_from_string(fcpxml(single), "fcpx_xml")
    clips = timeline.find_clips()
    assert [clip.name for clip in clips] == ["opening", "city", "return"]
    assert [clip.duration().to_seconds() for clip in clips] == pytest.approx([5 / fps, 9 / fps, 5 / fps])
    assert [clip.media_reference.target_url for clip in clips] == [
        shot.take.clip.resolve().as_uri() for shot in cut.shots
    ]


def test_takes_are_an_audition_and_captions_are_markers(cut: Cut) -> None:
    root = ElementTree.fromstring(fcpxml(cut))
    sources = {asset.get("id"): asset.get("src") for asset in root.iter("asset")}
    (audition,) = root.iter("audition")
    assert [sources[clip.get("ref")] for clip in audition] == [
        take.clip.resolve().as_uri() for take in cut.shots[0].takes
    ]
    assert [item.tag for item in root.find("project/sequence/spine") or ()] == ["audition", "asset-clip", "asset-clip"]
    assert [marker.get("note") for marker in root.iterfind("project/sequence/spine/asset-clip/marker")] == [
        shot.caption for shot in cut.shots[1:]
    ]


def test_times_are_fractions_of_the_rate(cut: Cut) -> None:
    root = ElementTree.fromstring(fcpxml(cut))
    clips = root.findall("project/sequence/spine/asset-clip")
    assert [(clip.get("offset"), clip.get("duration")) for clip in clips] == [("5/8s", "9/8s"), ("14/8s", "5/8s")]
    (format,) = root.iter("format")
    assert (format.get("frameDuration"), format.get("width"), format.get("height")) == ("1/8s", "32", "32")
