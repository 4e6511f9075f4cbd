"""Which remembered frames are cropped to their characters: those that show one of the caption in another setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.memory.levels import REFERENCE
from onestory_cli.models.spec import ExternalModel, ModelFiles
from onestory_cli.planning.crops import CropPlanner
from onestory_cli.planning.jobs import CharacterCrop
from onestory_cli.story.types import Character, MemoryRequest, Mention, Setting, Shot
from tests.films import SPEC, plan_of, shot, story_of

VACE = replace(SPEC, files=ModelFiles(base="/models/vace"), task="vace", levels=(REFERENCE,), memory_frames=3, budget=3)
CAST: dict[str, Any] = {
    "characters": (
        Character(id="fox", look="a red fox", again="the fox"),
        Character(id="owl", look="an owl", again=""),
    ),
    "settings": (Setting(id="beach", look="a beach", again=""), Setting(id="city", look="a city", again="")),
}


@pytest.fixture(autouse=True)
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """grounding-dino-tiny in the cache of the hub."""
    root = tmp_path / "models--IDEA-Research--grounding-dino-tiny"
    folder = root / "snapshots" / "1"
    folder.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("1")
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return folder


def mentioning(id: str, *names: str, crop: str | None = None) -> Shot:
    kinds = {item.id: kind for kind in ("character", "setting") for item in CAST[f"{kind}s"]}
    mentions = tuple(Mention(id=name, kind=kinds[name], full=True, start=0, end=0) for name in names)
    return shot(id, mentions=mentions, memory=MemoryRequest(crop=crop))


def crop_of(*shots: Shot) -> CharacterCrop | None:
    """The crop of the last shot."""
    return plan_of(*shots, spec=VACE, **CAST).jobs[-1].memory.crop


OPENING = mentioning("opening", "fox", "beach")


def test_a_character_in_another_setting_is_cropped() -> None:
    crop = crop_of(
        OPENING, mentioning("alone", "beach"), mentioning("other", "owl", "beach"), mentioning("b", "fox", "city")
    )
    assert crop is not None
    assert (crop.detector, crop.looks, crop.sources) == ("grounding-dino-tiny", ("a red fox",), ("opening",))
    assert crop.weights


def test_frames_of_the_same_setting_stay_whole() -> None:
    crop = crop_of(OPENING, mentioning("city", "fox", "city"), mentioning("return", "fox", "beach"))
    assert crop is not None
    assert crop.sources == ("city",)


@pytest.mark.parametrize(
    "names", [("fox",), ("city",), ()], ids=["no setting in the caption", "no character", "nothing"]
)
def test_without_a_character_and_a_setting_in_the_caption_nothing_is_cropped(names: tuple[str, ...]) -> None:
    assert crop_of(OPENING, mentioning("b", *names)) is None


@pytest.mark.parametrize(
    ("changes", "crops"),
    [
        ({"files": SPEC.files}, False),
        ({"task": "i2v"}, False),
        ({"task": "m2v"}, False),
        ({"external": ExternalModel(remembers="references", references=2)}, True),
    ],
    ids=["context tokens", "first frame", "keyframes", "external"],
)
def test_only_references_are_cropped(changes: dict[str, Any], crops: bool) -> None:
    planner = CropPlanner(story_of(**CAST), replace(VACE, **changes))
    crop = planner.crop(shot("b"), ["fox", "city"], ["opening"], {"fox": {"opening"}})
    assert (crop is not None) == crops


def test_auto_needs_a_downloaded_detector_and_a_name_does_not(detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(detector))
    assert crop_of(OPENING, mentioning("b", "fox", "city")) is None
    assert crop_of(OPENING, mentioning("b", "fox", "city", crop="auto")) is None
    named = crop_of(OPENING, mentioning("b", "fox", "city", crop="dfine-small"))
    assert named is not None
    assert (named.detector, named.weights) == ("dfine-small", "")


def test_none_reads_whole_frames() -> None:
    assert crop_of(OPENING, mentioning("b", "fox", "city", crop="none")) is None


def test_other_weights_are_another_detector(detector: Path) -> None:
    before = crop_of(OPENING, mentioning("b", "fox", "city"))
    (detector / "config.json").write_text('{"other": 1}')
    assert crop_of(OPENING, mentioning("b", "fox", "city")) != before


def test_a_new_shot_in_the_same_setting_leaves_the_spec_of_the_crop() -> None:
    """Which frames are cropped is part of their level, so that a take can be kept when the memory grows."""
    shots = (OPENING, mentioning("b", "fox", "beach"), mentioning("c", "fox", "city"))
    long, short = crop_of(*shots), crop_of(shots[0], shots[2])
    assert long is not None
    assert short is not None
    assert replace(long, sources=()) == replace(short, sources=())
    assert (len(long.sources), len(short.sources)) == (2, 1)
