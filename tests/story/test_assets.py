"""Pictures, sounds and LoRA files that a story names are checked before any work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.errors import Findings
from onestory_cli.story import assets, pictures, sounds
from onestory_cli.story.load import load_story
from onestory_cli.story.types import Audio
from tests.sounds import tone, write_sound
from tests.story.conftest import Found, Read


def story(image: str) -> str:
    return f"shots: [{{id: a, caption: A fox., image: {image}}}]"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture in a folder next to the story."""
    path = tmp_path / "refs" / "fox.png"
    path.parent.mkdir()
    Image.new("RGB", (4, 4)).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_pictures(found: Found, tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / f"fox.{suffix}")
    assert found(story(f"fox.{suffix}")) == []


@pytest.mark.parametrize("suffix", ["gif", "bmp", "tiff"])
def test_other_formats_are_refused(found: Found, tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / f"fox.{suffix}")
    assert found(story(f"fox.{suffix}")) == ["S153"]


def test_paths_may_contain_dot_dot_inside_the_folder(found: Found, picture: Path) -> None:
    assert found(story("refs/../refs/fox.png")) == []


@pytest.mark.parametrize(
    "image",
    ["../fox.png", "refs/../../fox.png", "/fox.png", "..", "C:/fox.png", r"\fox.png", r"//server/share/fox.png"],
)
def test_paths_out_of_the_folder(found: Found, picture: Path, image: str) -> None:
    assert found(story(f"'{image}'")) == ["S150"]


def test_a_link_out_of_the_folder(found: Found, read: Read, tmp_path: Path, picture: Path) -> None:
    outside = tmp_path.with_name(tmp_path.name + "-outside")
    shutil.copytree(picture.parent, outside)
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "inner").symlink_to(picture.parent)
    assert found(story("link/fox.png")) == ["S151"]
    assert found(story("link/none.png")) == ["S151"]
    assert found(story("inner/fox.png")) == []
    assert read(story("link/fox.png"), allow_outside=True).shots[0].image == "link/fox.png"
    assert found(story(f"../{outside.name}/fox.png"), allow_outside=True) == []


def test_a_missing_picture(found: Found, tmp_path: Path, picture: Path) -> None:
    assert found(story("refs/fix.png")) == ["S152"]
    (tmp_path / "dead").symlink_to("nowhere")
    assert found(story("dead")) == ["S152"]


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_files_that_are_not_pictures(found: Found, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "fox.png").write_bytes(data)
    assert found(story("fox.png")) == ["S153"]


def test_names_that_no_file_can_have(found: Found) -> None:
    assert found(story("x" * 900)) == ["S153"]


def test_too_large(found: Found, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 15)
    assert found(story("refs/fox.png")) == ["S154"]
    monkeypatch.setattr(pictures, "MAX_IMAGE_BYTES", 10)
    assert found(story("refs/fox.png")) == ["S154"]


def test_pictures_of_characters_and_settings(found: Found) -> None:
    text = """
    characters: {fox: {look: a fox, image: a.png}}
    settings: {beach: {look: a beach, image: b.png}}
    shots: [{id: a, caption: $fox waves on $beach., image: a.png}]
    """
    assert found(text) == ["S152", "S152", "S152"]


def test_pictures_can_be_read_from_another_folder(read: Read, picture: Path) -> None:
    assert read(story("fox.png"), folder=picture.parent).shots[0].image == "fox.png"


SOUND_STORY = "story: 1\ntitle: T\naudio: {{file: {file}}}\nshots: [{{id: a, caption: A beach., audio: {shot}}}]\n"


def load_sounds(folder: Path, file: str, shot: str = "{file: sound/wind.wav}") -> list[str]:
    """The codes of the errors."""
    write_sound(folder / "sound" / "wind.wav", tone(0.1))
    (folder / "film.story.yaml").write_text(SOUND_STORY.format(file=file, shot=shot))
    try:
        load_story(folder / "film.story.yaml")
    except Findings as fault:
        return [item.code for item in fault.diagnostics if item.severity == "error"]
    return []


def test_audio_defaults(tmp_path: Path) -> None:
    shot = "{file: sound/wind.wav, role: narration, gain: -3, offset: 0.5s, fade_in: 1s, fade_out: 0.25s}"
    assert load_sounds(tmp_path, "sound/wind.wav", shot) == []
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
def test_sounds_that_are_refused(tmp_path: Path, file: str, code: str) -> None:
    folder = tmp_path / "story"
    write_sound(tmp_path / "wind.wav", tone(0.1))
    folder.mkdir()
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\n../wind.wav\n")
    (folder / "text.wav").write_text("#EXTM3U\n#EXTINF:1,\n../wind.wav\n")
    (folder / "link.wav").symlink_to(tmp_path / "wind.wav")
    assert load_sounds(folder, file) == [code]


def test_sounds_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_SOUND_BYTES", 1000)
    assert load_sounds(tmp_path, "sound/wind.wav") == ["S173", "S173"]
    monkeypatch.undo()
    monkeypatch.setattr(assets, "MAX_TOTAL_BYTES", 1000)
    assert load_sounds(tmp_path, "sound/wind.wav") == ["S173"]


@pytest.mark.parametrize(
    ("shot", "code"),
    [("{}", "S121"), ("{file: a.wav, gain: 99}", "S125"), ("{file: a.wav, offset: 1}", "S122"), ("a.wav", "S122")],
)
def test_audio_maps_of_a_wrong_form(tmp_path: Path, shot: str, code: str) -> None:
    assert code in load_sounds(tmp_path, "sound/wind.wav", shot)
