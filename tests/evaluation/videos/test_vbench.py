"""VBench's layout: videos in one folder, captions by file name in one JSON file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.films import read_film
from onestory_cli.evaluation.videos.vbench import export_vbench


def test_clips_and_captions_are_in_film_order(film_run: Path, tmp_path: Path) -> None:
    film = read_film(film_run)
    command = export_vbench(film, tmp_path / "export")
    captions = json.loads((tmp_path / "export" / "prompts.json").read_text())
    assert list(captions.items()) == [
        ("000-opening.mp4", "A red fox with a blue scarf walks right on a beach at sunset."),
        ("001-city.mp4", "A city at night."),
        ("002-return.mp4", "The same fox waves on the same beach."),
    ]
    for clip, name in zip(film.clips, captions, strict=True):
        assert (tmp_path / "export" / "videos" / name).read_bytes() == clip.path.read_bytes()
    assert f"--videos_path {tmp_path / 'export' / 'videos'} --mode=custom_input" in command


def test_existing_export_is_not_overwritten(film_run: Path, tmp_path: Path) -> None:
    export_vbench(read_film(film_run), tmp_path / "export")
    with pytest.raises(OnestoryError) as caught:
        export_vbench(read_film(film_run), tmp_path / "export")
    assert caught.value.code == "U605"


def test_export_into_a_file_is_rejected(film_run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "export"):
        with pytest.raises(OnestoryError) as caught:
            export_vbench(read_film(film_run), place)
        assert (caught.value.code, caught.value.exit) == ("U608", ExitCode.MACHINE)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_command_can_be_pasted_for_any_folder_name(film_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "for VBench"
    words = shlex.split(export_vbench(read_film(film_run), folder))
    assert words[words.index("--videos_path") + 1] == str(folder / "videos")
    assert words[words.index("--prompt_file") + 1] == str(folder / "prompts.json")
