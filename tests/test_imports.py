"""What commands import, and from where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import HEAVY, environment_with, folder, imports_of, slow

__all__ = ["folder"]


def test_light_commands_do_not_import_heavy_packages(folder: Path) -> None:
    lines = (
        "--help",
        "render --help",
        "validate film.story.yaml",
        "plan film.story.yaml --json",
        "render film.story.yaml --dry-run",
        "schema",
        "models",
        "explain S104",
        "help memory",
        "help audio",
    )
    assert imports_of(HEAVY, *lines) == {line: [0] for line in lines}


def test_help_imports_only_what_defines_the_options(folder: Path) -> None:
    works = {
        "onestory_cli.rendering.render",
        "onestory_cli.store.run",
        "onestory_cli.export.write",
        "jsonschema",
        "yaml",
        *HEAVY,
    }
    lines = ("render --help", "export --help", "--help")
    assert imports_of(works, *lines) == {line: [0] for line in lines}


@pytest.mark.parametrize("package", ["schemas", slow("tests"), slow("utils")])
def test_a_package_of_the_user_never_shadows_ours(folder: Path, package: str) -> None:
    """`python -m` puts the current folder first on the path, as `torchrun -m` and `PYTHONPATH=.` do."""
    Path(package).mkdir()
    Path(package, "__init__.py").write_text("raise RuntimeError('imported by mistake')\n")
    command = [sys.executable, "-m", "onestory_cli"]
    for arguments in (["schema"], ["plan", "film.story.yaml", "--json"]):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, env=environment_with(), check=False
        )
        assert done.returncode == 0, done.stderr
