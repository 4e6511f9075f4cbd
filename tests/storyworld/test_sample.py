"""The command writes contact sheets."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.storyworld.__main__ import main


def test_sample_writes_sheets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["sample", "--stories", "9", "--shots", "2", "--size", "32", "--out", str(tmp_path / "sheets")])
    sheets = sorted((tmp_path / "sheets").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["stories-0000.png", "stories-0008.png"]
    assert str(sheets[0]) in capsys.readouterr().out
    with Image.open(sheets[0]) as picture:
        assert picture.size == (2 * 192, 8 * 256)
