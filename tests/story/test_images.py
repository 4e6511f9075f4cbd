from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.story import images
from tests.story.conftest import Found, Read


def story(image: str) -> str:
    return f"shots: [{{id: a, caption: A fox., image: {image}}}]"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture in a folder beside the story."""
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


def test_paths_may_turn_back_inside_of_the_folder(found: Found, picture: Path) -> None:
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


def test_a_picture_that_is_not_there(found: Found, tmp_path: Path, picture: Path) -> None:
    assert found(story("refs/fix.png")) == ["S152"]
    (tmp_path / "dead").symlink_to("nowhere")
    assert found(story("dead")) == ["S152"]


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture(found: Found, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "fox.png").write_bytes(data)
    assert found(story("fox.png")) == ["S153"]


def test_names_that_no_file_can_have(found: Found) -> None:
    assert found(story("x" * 900)) == ["S153"]


def test_too_large(found: Found, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 15)
    assert found(story("refs/fox.png")) == ["S154"]
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    assert found(story("refs/fox.png")) == ["S154"]


def test_pictures_of_characters_and_settings(found: Found) -> None:
    text = """
    characters: {fox: {look: a fox, image: a.png}}
    settings: {beach: {look: a beach, image: b.png}}
    shots: [{id: a, caption: $fox waves on $beach., image: a.png}]
    """
    assert found(text) == ["S152", "S152", "S152"]


def test_pictures_may_be_kept_elsewhere(read: Read, picture: Path) -> None:
    assert read(story("fox.png"), folder=picture.parent).shots[0].image == "fox.png"
