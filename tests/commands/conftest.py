"""Run the program in this process, on small stories that need no weights."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from onestory_cli import cli, schemas
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from tests.bases import base_folder as base_folder  # the fixture
from tests.films import SPEC, render_with
from tests.shared import build_once

STORY = """\
story: 1
title: The Lost Kite
model: model
characters:
  fox: {look: a red fox with a blue scarf}
settings:
  beach: {look: a beach at sunset}
shots:
  - id: opening
    caption: $fox walks right on $beach.
  - id: city
    caption: A city at night.
  - id: return
    caption: $fox waves on $beach.
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The exit code and output of a command."""

    exit: ExitCode
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on stdout. It must be the only output and match its schema."""
        document = json.loads(self.out)
        if "schema" in document:
            validate(document, schemas.load(document["schema"].removeprefix("onestory.")))
        return document


Onestory = Callable[..., Result]


@pytest.fixture
def onestory() -> Onestory:
    """Run a command line as `main` does, with strings as streams."""

    def run(*arguments: str | Path) -> Result:
        out, err = io.StringIO(), io.StringIO()
        exit = cli.run([str(item) for item in arguments], Console(stdout=out, stderr=err, color=True))
        return Result(exit=exit, out=out.getvalue(), err=err.getvalue())

    return run


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`film.story.yaml` in the current folder, with a model folder that has a card but no weights."""
    monkeypatch.chdir(tmp_path)
    card = {key: value for key, value in asdict(SPEC).items() if key not in ("name", "base", "adapter", "levels")}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "onestory.json").write_text(json.dumps(card))
    path = Path("film.story.yaml")
    path.write_text(STORY)
    return path


@pytest.fixture
def film_run(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`film.run` next to the story, fully rendered by a generator that needs no weights."""
    shutil.copytree(build_once(tmp_path_factory, "film-run", _render_film), "film.run")
    return Path("film.run")


def _render_film(folder: Path) -> None:
    """Render `STORY`, which the fixture `story` wrote to the current folder, into `folder`."""
    plan, _ = compile_story(Path("film.story.yaml"))
    render_with(plan, folder)


def change(story: Path, old: str, new: str) -> None:
    """Edit a story."""
    text = story.read_text()
    assert old in text
    story.write_text(text.replace(old, new))
