"""The shot loop with an arithmetic model: what is rendered, kept and written."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from onestory_cli import events
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event
from onestory_cli.media.mux import read_metadata
from onestory_cli.media.video import probe
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.render import render
from onestory_cli.store.disk import Disk
from onestory_cli.store.latents import read_latents
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.story.types import Character, MemoryRequest, Output
from tests.chapters import read_chapters
from tests.films import (
    SPEC,
    NumberShot,
    NumpyGenerator,
    change,
    latents_of,
    plan_of,
    render_with,
    shot,
    story_of,
    three_shots,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "film.run"


def kinds(heard: list[Event]) -> list[str]:
    return [type(event).__name__ for event in heard if not isinstance(event, events.StepDone)]


def test_render_makes_every_shot_once_and_the_film(folder: Path) -> None:
    heard: list[Event] = []
    generator = render_with(three_shots(), folder, heard.append)
    assert generator.made == ["opening", "city", "return"]
    assert probe(folder / "film.mp4").frames == 15
    assert [chapter.title for chapter in read_chapters(folder / "film.mp4")] == ["opening", "city", "return"]
    for id in generator.made:
        of_shot = [event for event in heard if getattr(event, "shot", "") == id]
        assert kinds(of_shot) == ["ShotStarted", "Remembered", "TakeCommitted"]
    assert [event.shot for event in heard if isinstance(event, events.TakeCommitted)] == generator.made
    assert (kinds(heard)[0], kinds(heard)[-3:]) == ("RunStarted", ["TakeCommitted", "FilmMuxed", "RunFinished"])


def test_second_render_changes_no_file(folder: Path) -> None:
    render_with(three_shots(), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    def load() -> NumpyGenerator:
        raise AssertionError("a no-op must not load the model")

    heard: list[Event] = []
    render(three_shots(), Run.open(folder), load, heard.append)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in before if before[path] != after[path]} == {"events.jsonl"}
    assert kinds(heard) == ["RunStarted", "ShotKept", "ShotKept", "ShotKept", "RunFinished"]


def test_two_runs_of_one_plan_have_equal_latents_state_and_film(tmp_path: Path) -> None:
    for name in ("a", "b"):
        render_with(three_shots(), tmp_path / name)
    assert latents_of(tmp_path / "a") == latents_of(tmp_path / "b")
    for file in ("run.json", "film.mp4", "story.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_changed_caption_renders_the_shot_and_those_that_remember_it(folder: Path) -> None:
    render_with(three_shots(), folder)
    heard: list[Event] = []
    generator = render_with(change(three_shots(), "city", resolved_caption="a city by day"), folder, heard.append)
    assert generator.made == ["city", "return"]
    reasons = {event.shot: event.reason for event in heard if isinstance(event, events.ShotStarted)}
    assert reasons["city"] == "caption changed"
    assert reasons["return"] == "memory changed: city[1] differs"


def test_undone_edit_renders_nothing(folder: Path) -> None:
    render_with(three_shots(), folder)
    first = latents_of(folder)
    render_with(change(three_shots(), "city", resolved_caption="a city by day"), folder)
    assert render_with(three_shots(), folder).made == []
    assert latents_of(folder) == first


def test_shot_without_memory_is_kept(folder: Path) -> None:
    blind = shot("return", memory=MemoryRequest(sources=()))
    render_with(plan_of(shot("opening"), blind), folder)
    assert render_with(plan_of(shot("opening", "other words"), blind), folder).made == ["opening"]


def test_inserted_unseen_shot_renders_alone(folder: Path) -> None:
    later = shot("return", memory=MemoryRequest(sources=("opening",)))
    render_with(plan_of(shot("opening"), later), folder)
    assert render_with(plan_of(shot("opening"), shot("city"), later), folder).made == ["city"]


def test_a_renamed_shot_with_its_own_seed_keeps_its_take(folder: Path) -> None:
    render_with(plan_of(shot("opening", "a beach", seed=3), shot("return")), folder)
    assert render_with(plan_of(shot("prologue", "a beach", seed=3), shot("return")), folder).made == []


def test_forced_shots_render_and_others_are_kept_if_bytes_are_equal(folder: Path) -> None:
    render_with(three_shots(), folder)
    before = latents_of(folder)
    heard: list[Event] = []
    assert render_with(three_shots(), folder, heard.append, force=("opening",)).made == ["opening"]
    assert latents_of(folder) == before
    assert next(event.reason for event in heard if isinstance(event, events.ShotStarted)) == "forced"


def test_unknown_forced_shot_is_refused_before_writing(folder: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), folder, force=("opening", "retrun"))
    assert (caught.value.code, caught.value.help) == ("S230", 'did you mean "return"?')
    assert list(folder.iterdir()) == []


def test_new_clip_settings_encode_again_and_keep_the_memory(folder: Path) -> None:
    render_with(three_shots(), folder)
    before = latents_of(folder)
    heard: list[Event] = []
    render_with(plan_of(*three_shots().story.shots, output=Output(scale=2)), folder, heard.append)
    assert latents_of(folder) == before
    assert probe(folder / "film.mp4").width == 64
    reasons = [event.reason for event in heard if isinstance(event, events.ShotStarted)]
    assert reasons == ["settings changed: scale 1 -> 2"] * 3


def test_a_new_title_only_joins_the_film_again(folder: Path) -> None:
    render_with(three_shots(), folder)
    assert render_with(plan_of(*three_shots().story.shots, title="Sums"), folder).made == []
    assert read_metadata(folder / "film.mp4")["title"] == "Sums"


def test_a_missing_film_is_joined_from_kept_takes(folder: Path) -> None:
    render_with(three_shots(), folder)
    film = (folder / "film.mp4").read_bytes()
    (folder / "film.mp4").unlink()
    assert render_with(three_shots(), folder).made == []
    assert (folder / "film.mp4").read_bytes() == film


def test_the_record_is_the_memory_state(folder: Path) -> None:
    plan = three_shots()
    render_with(plan, folder)
    run = Run.open(folder)
    opening, last = (run.takes_by_shot()[id].takes[0] for id in ("opening", "return"))
    memory = last.record.memory
    assert list(memory.visible) == ["opening", "city"]
    assert memory.visible["opening"] == opening.digest
    assert {source: len(scores) for source, scores in memory.scores.items()} == {"opening": 2, "city": 2}
    assert len(memory.selected) == plan.model.memory_frames
    assert all(frame.digest == memory.visible[frame.source] for frame in memory.selected)
    assert memory.context_tokens == plan.job("return").tokens.context
    assert str(last.record.reason) == "new"
    assert last.record.environment["device"] == "cpu"
    assert last.latents().shape == (4, 2, 4, 4)
    assert (read_latents(last.folder / "latents.safetensors", last.digest) == last.latents()).all()


def test_every_event_but_the_steps_is_logged_as_one_line(folder: Path) -> None:
    heard: list[Event] = []
    render_with(three_shots(), folder, heard.append)
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == kinds(heard)
    assert all(line["time"] > 1e9 for line in lines)
    assert lines[1]["reason"] == "new"


def test_reference_and_first_frame_images_are_frozen_and_used(tmp_path: Path, folder: Path) -> None:
    Image.new("RGB", (40, 20), (200, 10, 10)).save(tmp_path / "fox.png")
    Image.new("RGB", (32, 32), (10, 10, 90)).save(tmp_path / "start.png")
    fox = Character(id="fox", look="a fox", again="the fox", image="fox.png")
    plan = plan_of(shot("opening", image="start.png"), shot("city"), folder=tmp_path, characters=(fox,))
    render_with(plan, folder)
    opening, city = (Run.open(folder).takes_by_shot()[id].takes[0].record for id in ("opening", "city"))
    assert opening.memory.visible == {"@fox": plan.references[0].image.sha256}
    assert list(city.memory.visible) == ["@fox", "opening"]
    assert opening.spec["image"] == plan.jobs[0].image.sha256  # type: ignore[union-attr]
    (tmp_path / "fox.png").unlink()
    frozen = {image.path: Run.open(folder).input(image) for image in plan.images}
    assert all(path.exists() for path in frozen.values())
    again, _ = make_plan(plan.story, plan.model, model_fingerprint=plan.model_fingerprint, images=frozen)
    assert render_with(again, folder).made == []


def test_changed_picture_renders_its_shots(tmp_path: Path, folder: Path) -> None:
    def plan(colour: int) -> Plan:
        Image.new("RGB", (32, 32), (colour, 0, 0)).save(tmp_path / "start.png")
        return plan_of(shot("opening", image="start.png"), folder=tmp_path)

    render_with(plan(10), folder)
    heard: list[Event] = []
    render_with(plan(200), folder, heard.append)
    assert [event.reason for event in heard if isinstance(event, events.ShotStarted)] == ["image changed"]


def test_interrupt_keeps_finished_shots(folder: Path) -> None:
    heard: list[Event] = []

    def emit(event: Event) -> None:
        heard.append(event)
        if isinstance(event, events.StepDone) and event.shot == "city":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_with(three_shots(), folder, emit)
    assert heard[-1] == events.RunInterrupted(run=str(folder), finished=1, shots=3)
    assert not list(folder.glob(".staging-*"))
    assert render_with(three_shots(), folder).made == ["city", "return"]


def test_partial_render_continues_with_the_rest(folder: Path) -> None:
    story = three_shots().story
    part, _ = make_plan(story, SPEC, model_fingerprint="f", until="city")
    whole, _ = make_plan(story, SPEC, model_fingerprint="f")
    assert render_with(part, folder).made == ["opening", "city"]
    assert render_with(whole, folder).made == ["return"]
    assert render_with(part, folder).made == []
    assert set(Run.open(folder).state().shots) == {"opening", "city", "return"}  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_no_op_never_imports_torch(folder: Path) -> None:
    render_with(three_shots(), folder)
    script = (
        "import sys; from pathlib import Path; from tests.films import *; "
        "render(three_shots(), Run.open(Path(sys.argv[1])), None); "
        "heavy = {'torch', 'diffusers', 'transformers', 'av', 'ray'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("shots", [1, 12])
def test_any_number_of_shots(folder: Path, shots: int) -> None:
    plan = plan_of(*(shot(f"shot-{number}") for number in range(shots)))
    assert len(render_with(plan, folder).made) == shots
    assert render_with(plan, folder).made == []


def test_the_story_is_frozen_byte_for_byte(folder: Path) -> None:
    source = "title: café\r\n# \ufeffcomment\n".encode() + b"\xff"
    story = replace(story_of(shot("opening")), source=source)
    plan, _ = make_plan(story, SPEC, model_fingerprint="f")
    render_with(plan, folder)
    assert (folder / "story.yaml").read_bytes() == source
    assert Run.open(folder).state().source == source  # type: ignore[union-attr]


class Held(NumpyGenerator):
    """Sees what is on the disk while it makes a shot."""

    def __init__(self, folder: Path, shot: str, disk: HoldingDisk) -> None:
        super().__init__()
        self.folder, self.shot, self.disk = folder, shot, disk
        self.there: list[str] = []

    def generate(self, request: ShotRequest) -> NumberShot:
        job = request.job
        if job.shot == self.shot:
            self.there = sorted(path.parent.parent.name for path in self.folder.glob("shots/*/*/record.json"))
            self.disk.go.set()
        return super().generate(request)


class HoldingDisk(Disk):
    """Commits nothing until it may, and may fail then."""

    def __init__(self, error: int = 0) -> None:
        self.go, self.error = threading.Event(), error

    def step(self, operation: str, path: Path) -> None:
        if path.name == "latents.safetensors" and operation == "write":
            self.go.wait()
            if self.error:
                raise OSError(self.error, "because", str(path))


def test_shot_renders_while_the_previous_one_is_committed(tmp_path: Path) -> None:
    render_with(three_shots(), tmp_path / "whole")
    disk = HoldingDisk()
    generator = Held(tmp_path / "film.run", "city", disk)
    render_with(three_shots(), tmp_path / "film.run", disk=disk, generator=generator)
    assert generator.there == []
    for file in ("run.json", "film.mp4"):
        assert (tmp_path / "film.run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_failed_commit_is_raised_by_the_next_shot(folder: Path) -> None:
    disk = HoldingDisk(errno.ENOSPC)
    generator = Held(folder, "city", disk)
    with pytest.raises(OnestoryError) as caught:
        render_with(three_shots(), folder, disk=disk, generator=generator)
    assert (caught.value.code, caught.value.exit) == ("R405", ExitCode.PARTIAL)
    assert "return" not in generator.made
    assert find_damage(Run(folder)) == ()
    assert not list(folder.glob(".staging-*"))
    assert render_with(three_shots(), folder).made == ["opening", "city", "return"]


def test_failed_generator_keeps_earlier_takes(folder: Path) -> None:
    class Failing(NumpyGenerator):
        def generate(self, request: ShotRequest) -> NumberShot:
            job = request.job
            if job.shot == "city":
                raise ZeroDivisionError
            return super().generate(request)

    with pytest.raises(ZeroDivisionError):
        render_with(three_shots(), folder, generator=Failing())
    assert list(latents_of(folder)) == ["opening"]
    assert render_with(three_shots(), folder).made == ["city", "return"]
