"""`onestory` as a separate process in a folder with a story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.films import SPEC

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "diffusers", "transformers", "av", "ray"}
STORY = """\
story: 1
title: The Lost Kite
model: model
shots:
  - {id: opening, caption: A fox walks.}
  - {id: city, caption: A city at night.}
"""


def slow(*values: object) -> Any:
    """A set of parameters that only `.ci/run` tests: another set of the same kind is always tested."""
    return pytest.param(*values, marks=pytest.mark.slow)


def program(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `onestory` as a separate process in the current folder; `code` runs before `main`."""
    command = [sys.executable, "-c", f"import sys\n{code}\nfrom onestory_cli.cli import main\nmain()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment_with(**environment), timeout=60)


def environment_with(**more: str) -> dict[str, str]:
    """The environment in which this checkout is found and colours are not forced."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": paths, **more}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a story and a model that has a card but no weights."""
    monkeypatch.chdir(tmp_path)
    card = {key: value for key, value in asdict(SPEC).items() if key not in ("name", "base", "adapter", "levels")}
    Path("model").mkdir()
    Path("model/onestory.json").write_text(json.dumps(card))
    Path("film.story.yaml").write_text(STORY)
    return tmp_path


IMPORTS = """
import contextlib, io, json
from onestory_cli import cli
from onestory_cli.console import Console
loaded = {}
for line in LINES:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = cli.run(line.split(), Console(stdout=sys.stdout, stderr=sys.stderr, color=True))
    loaded[line] = [code, *sorted(WATCHED & set(sys.modules))]
print(json.dumps(loaded))
"""


def imports_of(watched: set[str], *lines: str) -> dict[str, list[object]]:
    """Run command lines one after another in a new process: the exit code of each and the `watched` modules by then."""
    code = f"import sys\nLINES, WATCHED = {lines}, {watched}\n{IMPORTS}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment_with(), check=True
    )
    return json.loads(done.stdout)
