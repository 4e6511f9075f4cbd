"""The cache folder of each system, and markers of checked content."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.utils.cache import cache_folder, remember_check, was_checked

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, HOME / ".cache" / "onestory"),
        ("linux", {"XDG_CACHE_HOME": "/var/cache"}, Path("/var/cache/onestory")),
        ("darwin", {"XDG_CACHE_HOME": "/var/cache"}, HOME / "Library" / "Caches" / "onestory"),
        ("win32", {}, HOME / "AppData" / "Local" / "onestory" / "cache"),
        ("win32", {"LOCALAPPDATA": "D:/local"}, Path("D:/local/onestory/cache")),
        ("win32", {"ONESTORY_CACHE_DIR": "E:/cache"}, Path("E:/cache")),
    ],
)
def test_the_folder_of_each_system(platform: str, environment: dict[str, str], expected: Path) -> None:
    assert cache_folder(environment, platform=platform, home=HOME) == expected


def test_checks_are_remembered_by_name_and_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path))
    remember_check("picture-1", "ab")
    assert was_checked("picture-1", "ab")
    assert not was_checked("picture-2", "ab")


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path / "file"))
    remember_check("picture-1", "ab")
    assert not was_checked("picture-1", "ab")
