"""Install packages with entry points for one test, without pip."""

from __future__ import annotations

import importlib
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onestory_cli.utils.plugins import forget_plugins

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a folder with a pyproject.toml and Python files, or another version of it; returns where it is."""
    site = tmp_path / "site-packages"
    installed: set[str] = set()

    def install(project: Path = EXAMPLE, *, version: str = "") -> Path:
        shutil.rmtree(site, ignore_errors=True)
        about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        version = version or about["version"]
        info = site / f"{about['name'].replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {version}\n")
        groups = about["entry-points"].items()
        rows = [f"[{group}]\n" + "".join(f"{key} = {it}\n" for key, it in items.items()) for group, items in groups]
        (info / "entry_points.txt").write_text("\n".join(rows))
        for file in project.glob("*.py"):
            shutil.copy(file, site)
            installed.add(file.stem)
        _forget(installed)
        return site

    monkeypatch.syspath_prepend(str(site))
    yield install
    monkeypatch.undo()
    _forget(installed)


def _forget(modules: set[str]) -> None:
    for name in modules:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    forget_plugins()


def project(folder: Path, group: str, code: str, **entries: str) -> Path:
    """A package with one module `plugged`, and entries NAME="function" of a group."""
    folder.mkdir()
    (folder / "plugged.py").write_text(code)
    rows = "".join(f'"{name.replace("_", "-")}" = "plugged:{item}"\n' for name, item in entries.items())
    text = f'[project]\nname = "plugged"\nversion = "1.0"\n[project.entry-points."{group}"]\n{rows}'
    (folder / "pyproject.toml").write_text(text)
    return folder
