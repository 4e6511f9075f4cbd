"""The public functions, and the example of the manual that uses them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from onestory_cli import StoryWarning, load_story, plan, render
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, RunFinished
from tests.films import NumpyGenerator
from tests.pages import MANUAL, fenced
from tests.test_cli import HEAVY, ROOT

STORY = """\
story: 1
title: The Lost Kite
shots:
  - {id: opening, caption: A red fox walks right on a beach. Wide shot.}
  - {id: return, caption: A red fox waves on a beach. Wide shot.}
"""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "kite.story.yaml"
    path.write_text(STORY)
    return path


def test_film_in_three_calls(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "onestory_cli.rendering.loading.model_loader", lambda spec, *_, **__: lambda: NumpyGenerator(spec)
    )
    heard: list[Event] = []
    film = plan(load_story(story), until="opening")
    assert [job.shot for job in film.jobs] == ["opening"]
    path = render(film, emit=heard.append)
    assert path == story.with_name("kite.run") / "film.mp4"
    assert path.is_file()
    assert isinstance(heard[-1], RunFinished)
    assert render(film, story.parent / "elsewhere").parent == story.parent / "elsewhere"


def test_errors_are_raised_and_warnings_are_returned(story: Path) -> None:
    story.write_text(STORY.replace("waves on a beach", "juggles"))
    with pytest.warns(StoryWarning, match="juggles") as caught:
        plan(load_story(story))
    (warning,) = [item.message for item in caught if isinstance(item.message, StoryWarning)]
    assert warning.diagnostic.place is not None
    assert {Path(item.filename) for item in caught} == {Path(__file__)}
    story.write_text(STORY.replace("A red fox waves", "$fox waves"))
    with pytest.raises(OnestoryError) as fault:
        load_story(story)
    assert [item.code for item in fault.value.diagnostics] == ["S104"]


def test_public_names_match_the_api() -> None:
    import onestory_cli
    from onestory_cli import api

    assert (onestory_cli.plan, onestory_cli.render) == (api.plan, api.render)
    assert {*onestory_cli.__all__} <= {*dir(onestory_cli)}
    with pytest.raises(AttributeError, match="no attribute 'rendered'"):
        _ = onestory_cli.rendered


def test_loading_and_planning_do_not_import_torch(story: Path) -> None:
    code = f"from onestory_cli import load_story, plan, render; plan(load_story({str(story)!r})); import sys"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print({HEAVY} & set(sys.modules))"], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_examples_of_the_manual_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example, *others = [block.replace("examples/", f"{tmp_path}/") for block in fenced(MANUAL / "python.md", "python")]
    shutil.copy(ROOT / "examples" / "the-lost-kite.story.yaml", tmp_path)
    monkeypatch.setattr(
        "onestory_cli.rendering.loading.model_loader", lambda spec, *_, **__: lambda: NumpyGenerator(spec)
    )
    names: dict[str, object] = {}
    exec(example, names)
    assert names["path"] == tmp_path / "the-lost-kite.run" / "film.mp4"
    assert Path(str(names["path"])).is_file()
    for other in others:
        with warnings.catch_warnings():
            exec(other, {})
