from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.cut import Cut
from onestory_cli.export.write import EXPORTERS, Target, export


def test_every_target_has_an_exporter() -> None:
    assert set(EXPORTERS) == set(Target) - {Target.COMFYUI}  # of a plan, not of a film


@pytest.mark.parametrize("target", EXPORTERS)
def test_nothing_is_replaced_without_force(cut: Cut, tmp_path: Path, target: Target) -> None:
    path = tmp_path / "out"
    export(cut, target, path)
    with pytest.raises(OnestoryError) as caught:
        export(cut, target, path)
    assert (caught.value.code, caught.value.exit) == ("X801", ExitCode.USAGE)
    export(cut, target, path, force=True)
    assert {item.name for item in tmp_path.iterdir()} == {"film.story.yaml", "film.run", "model", "out"}


def test_a_folder_with_other_files_is_never_replaced(cut: Cut, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.png").write_bytes(b"")
    with pytest.raises(OnestoryError) as caught:
        export(cut, Target.FRAMES, tmp_path / "mine", force=True)
    assert caught.value.code == "X801"
    assert (tmp_path / "mine" / "holiday.png").exists()


def test_only_an_earlier_export_is_replaced(cut: Cut, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "film.story.yaml")
    (tmp_path / "notes.srt").write_text("my notes")
    for name in ("film.story.yaml", "film.run/run.json", "film.run/film.mp4", "link", "notes.srt"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OnestoryError) as caught:
            export(cut, Target.OTIO, tmp_path / name, force=True)
        assert caught.value.code == "X801"
        assert (tmp_path / name).read_bytes() == before
    assert (tmp_path / "link").is_symlink()


def test_a_failed_export_leaves_no_file(cut: Cut, tmp_path: Path) -> None:
    cut.shots[1].take.clip.write_bytes(b"no video")
    with pytest.raises(OnestoryError) as caught:
        export(cut, Target.PRORES, tmp_path / "film.mov")
    assert caught.value.code == "M508"
    assert not list(tmp_path.glob("*.mov*"))
    assert not list(tmp_path.glob(".*"))
