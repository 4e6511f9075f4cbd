"""The public functions, and the example of the manual that uses them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import onestory_cli
from onestory_cli import StoryWarning, decode, generate, load_model, load_story, open_run, plan, render, select
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, RunFinished, StepDone
from onestory_cli.rendering.generator import ShotRequest
from tests.films import NumberShot, NumpyGenerator
from tests.pages import MANUAL, fenced
from tests.programs import HEAVY, ROOT
from tests.tiny import tiny_folder

__all__ = ["tiny_folder"]

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


def test_no_public_name_is_a_module() -> None:
    """A module that is imported would replace the function of its name."""
    modules = {path.stem for path in (ROOT / "onestory_cli").iterdir()}
    assert not modules & {*onestory_cli.__all__}


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


def test_previews_come_from_the_generator(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Previewing(NumpyGenerator):
        def generate(self, request: ShotRequest) -> NumberShot:
            made = super().generate(request)
            if request.preview:
                request.preview(request.job.shot, 1, request.job.steps, made.pixels_PHWC[0])
            return made

    monkeypatch.setattr("onestory_cli.rendering.loading.model_loader", lambda spec, *_, **__: lambda: Previewing(spec))
    seen: list[tuple[str, bool, tuple[int, ...]]] = []

    def show(shot: str, step: int, steps: int, pixels: np.ndarray) -> None:
        seen.append((shot, step == steps, pixels.shape[2:]))

    render(plan(load_story(story)), on_preview=show)
    # the finished shot is shown once its clip is written, possibly while the next shot is generated
    assert sorted(seen) == [(shot, finished, (3,)) for shot in ("opening", "return") for finished in (False, True)]


def test_a_run_can_be_read(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "onestory_cli.rendering.loading.model_loader", lambda spec, *_, **__: lambda: NumpyGenerator(spec)
    )
    film, steps = plan(load_story(story)), list[StepDone]()
    path = render(film, on_step=steps.append, checkpoint_seconds=1.0)
    assert {step.shot for step in steps} == {"opening", "return"}
    view = open_run(story)  # the run next to it
    assert (view.path, view.film, view.shots) == (path.parent, path, ("opening", "return"))
    assert [len(view.takes(shot)) for shot in view.shots] == [1, 1]
    assert view.accepted("return") == view.takes("return")[0]
    assert view.latents("return").shape == view.accepted("return").shape
    assert view.latents("return").dtype == np.float32
    assert {frame.source for frame in view.memory("return")} == {"opening"} == {*view.scores("return")}
    assert view.clip("return").is_file()
    assert view.memory("opening") == ()
    with pytest.raises(OnestoryError) as caught:
        view.takes("city")
    assert caught.value.code == "S230"
    with pytest.raises(OnestoryError) as caught:
        open_run(story.parent / "none.run")
    assert caught.value.code == "R402"


def test_single_shots_equal_those_of_a_render(tiny_folder: Path, tmp_path: Path) -> None:
    story = tmp_path / "kite.story.yaml"
    story.write_text(
        STORY.replace("shots:", f"model: {tiny_folder}\ndefaults: {{memory: {{policy: adaptive}}}}\nshots:")
    )
    film = plan(load_story(story), allow_outside=True)
    render(film, device="cpu")
    view, model = open_run(story), load_model(film, device="cpu")
    opening, other = film.jobs
    memory = {"opening": view.latents("opening")}
    assert (generate(model, opening).latents_CTHW == memory["opening"]).all()
    shot = generate(model, other, memory)
    assert (shot.latents_CTHW == view.latents("return")).all()
    selection = select(model, other, memory)
    assert [*map(str, selection.selection)] == [*map(str, view.memory("return"))]
    assert (decode(model, shot.latents_CTHW) == shot.decode()).all()


@pytest.mark.filterwarnings("ignore::onestory_cli.StoryWarning")
def test_an_external_model_cannot_be_loaded(tmp_path: Path) -> None:
    story = tmp_path / "kite.story.yaml"
    card = "{width: 64, height: 64, frames: 5, fps: 8}"
    story.write_text(STORY.replace("shots:", f"model: {{command: [program], card: {card}}}\nshots:"))
    with pytest.raises(OnestoryError, match="is an external model") as caught:
        load_model(plan(load_story(story)), device="cpu")
    assert caught.value.code == "M558"


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
    shutil.copy(ROOT / "examples" / "hide-and-seek.story.yaml", tmp_path)
    monkeypatch.setattr(
        "onestory_cli.rendering.loading.model_loader", lambda spec, *_, **__: lambda: NumpyGenerator(spec)
    )
    names: dict[str, object] = {}
    exec(example, names)
    assert names["path"] == tmp_path / "hide-and-seek.run" / "film.mp4"
    assert Path(str(names["path"])).is_file()
    for other in others:
        with warnings.catch_warnings():
            exec(other, {})
