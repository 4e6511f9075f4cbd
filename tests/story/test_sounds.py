"""The sounds that a story names are refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import Findings
from onestory_cli.story import sounds
from onestory_cli.story.load import load_story
from onestory_cli.story.types import Audio
from tests.sounds import tone, write_sound

STORY = "story: 1\ntitle: T\naudio: {{file: {file}}}\nshots: [{{id: a, caption: A beach., audio: {shot}}}]\n"


def load(folder: Path, file: str, shot: str = "{file: sound/wind.wav}") -> list[str]:
    """The codes of what is wrong."""
    write_sound(folder / "sound" / "wind.wav", tone(0.1))
    (folder / "film.story.yaml").write_text(STORY.format(file=file, shot=shot))
    try:
        load_story(folder / "film.story.yaml")
    except Findings as fault:
        return [item.code for item in fault.diagnostics if item.severity == "error"]
    return []


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    shot = "{file: sound/wind.wav, role: narration, gain: -3, offset: 0.5s, fade_in: 1s, fade_out: 0.25s}"
    assert load(tmp_path, "sound/wind.wav", shot) == []
    story, _ = load_story(tmp_path / "film.story.yaml")
    assert story.audio == Audio(file="sound/wind.wav", role="music")
    assert story.shots[0].audio == Audio(
        file="sound/wind.wav", role="narration", gain=-3, offset=0.5, fade_in=1, fade_out=0.25
    )


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("../wind.wav", "S150"),
        ("/etc/passwd", "S150"),
        ("sound/wnd.wav", "S171"),
        ("sound", "S172"),
        ("film.story.yaml", "S172"),
        ("list.m3u8", "S172"),
        ("text.wav", "S172"),
        ("link.wav", "S151"),
    ],
)
def test_what_is_refused(tmp_path: Path, file: str, code: str) -> None:
    folder = tmp_path / "story"
    write_sound(tmp_path / "wind.wav", tone(0.1))
    folder.mkdir()
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n../wind.wav\n")
    (folder / "text.wav").write_text("#EXTM3U\n#EXTINF:1,\n../wind.wav\n")
    (folder / "link.wav").symlink_to(tmp_path / "wind.wav")
    assert load(folder, file) == [code]


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_BYTES", 1000)
    assert load(tmp_path, "sound/wind.wav") == ["S173", "S173"]
    monkeypatch.undo()
    monkeypatch.setattr(sounds, "MOST_BYTES", 1000)
    assert load(tmp_path, "sound/wind.wav") == ["S173"]


@pytest.mark.parametrize(
    ("shot", "code"),
    [("{}", "S121"), ("{file: a.wav, gain: 99}", "S125"), ("{file: a.wav, offset: 1}", "S122"), ("a.wav", "S122")],
)
def test_a_wrong_form_is_told(tmp_path: Path, shot: str, code: str) -> None:
    assert code in load(tmp_path, "sound/wind.wav", shot)
