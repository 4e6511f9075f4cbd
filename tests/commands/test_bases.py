"""The same story on every family of bases, through the command line: render, keep, edit and resume.

On tiny random models of the real classes in the real folder layout.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import ExitCode
from onestory_cli.media.video import read_clip
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.store.run import Run
from tests.bases import FAMILIES
from tests.commands.conftest import Onestory, Result, change

STORY = """\
story: 1
title: The Kite
model: base
characters:
  fox: {look: a red fox with a blue scarf}
shots:
  - id: opening
    caption: $fox walks right on the beach.
    image: start.png
  - id: city
    caption: A city at night.
  - id: return
    caption: $fox waves. Close-up.
"""
REMEMBERED = {
    "t2v": {"city": [], "return": []},
    "i2v": {"city": ["opening"], "return": ["city"]},
    "ti2v": {"city": ["opening"], "return": ["city"]},
    "vace": {"city": ["opening", "opening"], "return": ["city", "opening"]},
    "vace-a14b": {"city": ["opening", "opening"], "return": ["city", "opening"]},
    "t2v-a14b": {"city": [], "return": []},
    "i2v-a14b": {"city": ["opening"], "return": ["city"]},
}


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_folder: Callable[[str], Path]) -> Callable[[str], Path]:
    """`film.story.yaml` in the current folder, with the tiny folder of a family as `model: base`."""
    monkeypatch.chdir(tmp_path)

    def write(family: str) -> Path:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save("start.png")
        shutil.copytree(base_folder(family), "base")
        path = Path("film.story.yaml")
        path.write_text(STORY)
        if family.startswith("t2v"):
            change(path, "    image: start.png\n", "")
        return path

    return write


def done(result: Result) -> list[dict[str, Any]]:
    """The events of a successful command."""
    assert result.exit is ExitCode.DONE, result.out + result.err
    return [json.loads(line) for line in result.out.splitlines()]


def made(events: list[dict[str, Any]]) -> list[str]:
    return [event["shot"] for event in events if event.get("event") == "TakeCommitted"]


def records() -> dict[str, Any]:
    """The record of the accepted take of each shot."""
    run = Run.open(Path("film.run"))
    plan, state = load_run_plan(run), run.state()
    assert state is not None
    return {
        job.shot: json.loads((run.path / "shots" / state.shots[job.shot].folder / "record.json").read_bytes())
        for job in plan.jobs
    }


def folders() -> dict[str, str]:
    """The folder of the accepted take of each shot, below shots/."""
    state = Run.open(Path("film.run")).state()
    assert state is not None
    return {shot: accepted.folder for shot, accepted in state.shots.items()}


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=() if name == "vace" else pytest.mark.slow) for name in FAMILIES]
)
def test_three_shots_are_rendered_resumed_and_kept(
    onestory: Onestory, story: Callable[[str], Path], family: str
) -> None:
    film = story(family)
    assert made(done(onestory("render", film, "--until", "opening", "--json"))) == ["opening"]
    assert made(done(onestory("render", film, "--json"))) == ["city", "return"]
    by_shot = records()
    for shot, sources in REMEMBERED[family].items():
        assert sorted({frame["source"] for frame in by_shot[shot]["memory"]["selected"]}) == sorted(set(sources)), shot
    assert by_shot["opening"]["memory"]["selected"] == []
    assert len({record["spec"]["model"] for record in by_shot.values()}) == 1
    assert ("guidance_2" in by_shot["city"]["spec"]) == family.endswith("a14b")
    assert made(done(onestory("resume", "film.run", "--json"))) == []
    before = by_shot["return"]["files"]["latents.safetensors"]
    Path("film.run/shots", "return").rename("gone")
    assert made(done(onestory("resume", "film.run", "--json"))) == ["return"]
    assert records()["return"]["files"]["latents.safetensors"] == before


@pytest.mark.parametrize("family", ["i2v", "ti2v", "vace"])
@pytest.mark.slow
def test_continued_shot_does_not_repeat_the_last_frame(
    onestory: Onestory, story: Callable[[str], Path], family: str
) -> None:
    """The clip of such a shot starts with its second frame. Its latents and memory are complete."""
    done(onestory("render", story(family), "--json"))
    continues = family != "vace"
    clips = {shot: Path("film.run/shots", folder, "clip.mp4") for shot, folder in folders().items()}
    lengths = [len(read_clip(clips[shot])) for shot in ("opening", "city", "return")]
    assert lengths == ([5, 4, 4] if continues else [5, 5, 5])
    assert len(read_clip(Path("film.run/film.mp4"))) == sum(lengths)
    assert [record["clip"].get("trim", 0) for record in records().values()] == ([0, 1, 1] if continues else [0, 0, 0])
    assert onestory("verify", "film.run").exit is ExitCode.DONE


@pytest.mark.slow
def test_older_clip_that_repeats_a_frame_is_rendered_again(
    onestory: Onestory, story: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = story("i2v")
    with monkeypatch.context() as before:
        before.setattr("onestory_cli.planning.planner.Planner._trim", lambda *_: 0)
        done(onestory("render", film, "--json"))
    assert made(done(onestory("render", film, "--json"))) == ["city", "return"]
    assert made(done(onestory("render", film, "--json"))) == []


@pytest.mark.parametrize(("family", "again"), [("t2v", ["city"]), ("i2v", ["city", "return"])])
def test_edit_renders_dependent_shots(
    onestory: Onestory, story: Callable[[str], Path], family: str, again: list[str]
) -> None:
    film = story(family)
    done(onestory("render", film, "--json"))
    change(film, "A city at night.", "A forest at night.")
    assert made(done(onestory("render", film, "--json"))) == again


def test_base_without_memory_is_reported(onestory: Onestory, story: Callable[[str], Path]) -> None:
    result = onestory("validate", story("t2v"))
    assert result.exit is ExitCode.DONE
    assert "warning[W311]" in result.out + result.err


@pytest.mark.slow
def test_first_shot_model_renders_shots_without_a_first_frame(
    onestory: Onestory, story: Callable[[str], Path], base_folder: Callable[[str], Path]
) -> None:
    film = story("i2v")
    change(film, "    image: start.png\n", "")
    refused = onestory("validate", film)
    assert refused.exit is ExitCode.FINDINGS
    assert "error[S218]" in refused.out
    assert "wan2.1-t2v-1.3b" in refused.out
    shutil.copytree(base_folder("t2v"), "words")
    change(film, "model: base\n", "model: base\nfirst_shot_model: words\n")
    assert made(done(onestory("render", film, "--json"))) == ["opening", "city", "return"]
    by_shot = records()
    assert by_shot["opening"]["spec"]["model"] != by_shot["city"]["spec"]["model"] == by_shot["return"]["spec"]["model"]
    assert made(done(onestory("resume", "film.run", "--json"))) == []
    change(film, "A city at night.", "A forest at night.")
    assert made(done(onestory("render", film, "--json"))) == ["city", "return"]


def test_first_shot_model_with_other_latents_is_rejected(
    onestory: Onestory, story: Callable[[str], Path], base_folder: Callable[[str], Path]
) -> None:
    film = story("i2v")
    shutil.copytree(base_folder("ti2v"), "words")
    change(film, "model: base\n", "model: base\nfirst_shot_model: words\n")
    result = onestory("validate", film)
    assert "error[S220]" in result.out
    assert "film.story.yaml:4:" in result.out


def test_missing_model_can_be_planned_but_not_rendered(
    onestory: Onestory, story: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    film = story("vace")
    change(film, "model: base", "model: wan2.1-vace-14b")
    plan = onestory("plan", film, "--json").json
    assert [shot["tokens"]["noise"] for shot in plan["shots"]] == [21 * 1560] * 3
    assert plan["shots"][1]["tokens"]["context"] == 3 * 1560
    result = onestory("render", film)
    assert result.exit is ExitCode.MACHINE
    assert "error[M509]" in result.err
    assert "onestory models fetch Wan-AI/Wan2.1-VACE-14B-diffusers" in result.err


def test_restrictive_licence_must_be_accepted_once(
    onestory: Onestory,
    story: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    film = story("t2v")
    Path("base").rename("stock")
    Path("base").mkdir()
    card = json.loads(Path("stock/onestory.json").read_text())
    Path("base/onestory.json").write_text(json.dumps({**card, "base": "../stock", "licence": "mine-nc"}))
    refused = onestory("render", film)
    assert refused.exit is ExitCode.MACHINE
    assert "error[M512]" in refused.err
    assert "mine-nc" in refused.err
    monkeypatch.setenv("ONESTORY_ACCEPT_LICENCES", "other, base")
    assert onestory("models", "accept", "base", "--json").json["needed"] is False
    monkeypatch.delenv("ONESTORY_ACCEPT_LICENCES")
    assert onestory("models", "accept", "base").out == "base: mine-nc\n"
    assert onestory("models", "accept", "base", "--json").json["needed"] is False
    done(onestory("render", film, "--until", "opening", "--json"))


def test_offline_fetch_is_rejected_with_the_next_step(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = onestory("models", "fetch", "wan2.1-t2v-1.3b")
    assert result.exit is ExitCode.MACHINE
    assert "hf download Wan-AI/Wan2.1-T2V-1.3B-Diffusers" in result.err
    assert onestory("models", "fetch", "wan2.1").exit is ExitCode.FINDINGS
