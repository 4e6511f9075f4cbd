"""`plan` decodes each picture and sound of a story once, however many shots name it."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.story import pictures, sounds
from tests.commands.conftest import Onestory, change


def test_plan_decodes_a_picture_and_a_sound_once(
    onestory: Onestory, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path / "cache"))
    Image.new("RGB", (8, 8)).save("fox.png")
    with wave.open("wind.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    change(story, "a red fox with a blue scarf}", "a red fox, image: fox.png}")
    change(story, "a beach at sunset}", "a beach, image: fox.png}")
    for id in ("opening", "city"):
        change(story, f"- id: {id}\n", f"- id: {id}\n    audio: {{file: wind.wav}}\n")
    decoded: list[str] = []
    problem, opened = pictures._problem, sounds.open_sound
    monkeypatch.setattr(pictures, "_problem", lambda file: decoded.append(file.name) or problem(file))
    monkeypatch.setattr(sounds, "open_sound", lambda file: decoded.append(file.name) or opened(file))
    first = onestory("plan", story)
    assert sorted(decoded) == ["fox.png", "wind.wav"], first
    onestory("plan", story)
    assert len(decoded) == 2
