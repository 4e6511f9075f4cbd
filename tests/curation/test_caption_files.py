"""Captions of people: the shot that contains most of a caption's time gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.curation.caption_files import FileCaptioner
from onestory_cli.curation.captioners import ShotView
from onestory_cli.errors import OnestoryError

TEXTS = {
    "c.json": '[{"video": "a/film.mp4", "start": 0, "end": 2, "caption": "One."},'
    ' {"start": 2, "end": 4, "caption": "Two."}]',
    "c.jsonl": '{"start": 0, "end": 2, "caption": "One."}\n\n{"start": 2, "end": 4, "caption": "Two."}\n',
    "c.csv": "start,end,caption\n0,2,One.\n2,4,Two.\n",
    "c.srt": "1\n00:00:00,000 --> 00:00:02,000\nOne.\n\n2\n00:00:02,000 --> 00:00:04,000\nTwo.\n",
}


def view(start: float, end: float, video: str = "film.mp4") -> ShotView:
    return ShotView(video=Path(video), start=start, end=end, frames=())


@pytest.mark.parametrize("name", TEXTS)
def test_formats(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXTS[name], encoding="utf-8-sig")
    captioner = FileCaptioner.read(tmp_path / name)
    spans = [(0.1, 1.9), (1.5, 3.9), (6, 7)]
    assert [captioner.caption(view(*span)) for span in spans] == ["One.", "Two.", ""]


def test_a_folder_has_one_file_per_video(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(TEXTS["c.srt"])
    captioner = FileCaptioner.read(tmp_path)
    assert [captioner.caption(view(0, 2, name)) for name in ("film.mp4", "other.mp4")] == ["One.", ""]


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"start": 0}]', '[{"start": "x", "end": 1, "caption": "A"}]'])
def test_files_without_captions_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(OnestoryError) as fault:
        FileCaptioner.read(tmp_path / "c.json")
    assert fault.value.code == "T654"
