"""Any file with a flipped bit, cut or deleted is found by `find_damage`, and reported and repaired by a render."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli import events
from onestory_cli.checkpoint import Partial
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.latents import read_latents
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Damage, read_take
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import RunWriter
from tests.films import latents_of, plan_of, render_with, shot
from tests.shared import build_once


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def delete(path: Path) -> None:
    path.unlink()


HARMS = [flip, cut, delete]
FILES = ["shots/opening/*/clip.mp4", "shots/opening/*/latents.safetensors", "shots/opening/*/record.json"]
DERIVED = ["run.json", "story.yaml", "film.mp4", "inputs/*.png"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    Image.new("RGB", (32, 32), (90, 10, 10)).save(tmp_path / "start.png")
    return plan_of(shot("opening", image="start.png"), shot("city"), shot("return"), folder=tmp_path)


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Path:
    rendered = build_once(tmp_path_factory, "pictured-shots", lambda path: render_with(plan, path))
    return shutil.copytree(rendered, tmp_path / "film.run")


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The content of every file without times or reasons, by path."""
    timed = ("record.json", "events.jsonl", "run.json")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in timed]
    files = [path for path in files if not path.parent.name.startswith(".damaged-")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("pattern", FILES)
def test_damaged_take_is_reported_and_only_its_shot_renders(
    plan: Plan, folder: Path, pattern: str, harm: Callable[[Path], None]
) -> None:
    whole, latents = bytes_of(folder), latents_of(folder)
    (victim,) = folder.glob(pattern)
    harm(victim)
    assert [damage.path for damage in find_damage(Run(folder))] == [victim]
    heard: list[Event] = []
    assert render_with(plan, folder, heard.append).made == ["opening"]
    warned = [event.message for event in heard if isinstance(event, events.Warned)]
    assert len(warned) == 1
    assert warned[0].startswith(f'"{victim.relative_to(folder)}" is damaged: ')
    started = [event.reason for event in heard if isinstance(event, events.ShotStarted)]
    assert started[0].startswith(f"damaged: {victim.name}: ")
    assert (bytes_of(folder), latents_of(folder)) == (whole, latents)
    assert find_damage(Run(folder)) == ()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("pattern", DERIVED)
def test_other_damage_is_reported_and_repaired_without_rendering(
    plan: Plan, folder: Path, pattern: str, harm: Callable[[Path], None]
) -> None:
    whole, state = bytes_of(folder), (folder / "run.json").read_bytes()
    (victim,) = folder.glob(pattern)
    harm(victim)
    heard: list[Event] = []
    assert [damage.path for damage in find_damage(Run(folder))] == [victim]
    assert render_with(plan, folder, heard.append).made == []
    assert bytes_of(folder) == whole
    assert (folder / "run.json").read_bytes() == state
    assert find_damage(Run(folder)) == ()


def test_every_byte_of_a_record_is_verified(folder: Path) -> None:
    (record,) = folder.glob("shots/return/*/record.json")
    data = record.read_bytes()
    for position in range(0, len(data), 7):
        record.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        assert isinstance(read_take(record.parent), Damage)


def test_every_file_except_the_log_has_a_digest(plan: Plan, folder: Path) -> None:
    partial = Partial(identity="0", step=1, steps=3, arrays={"latents": np.zeros((4, 2, 4, 4), np.float32)})
    RunWriter(Run(folder)).save_partial("city", "a" * 64, partial)
    files = {path for path in folder.rglob("*") if path.is_file()}
    assert len(files) == 3 * 3 + 6
    for victim in files - {folder / "events.jsonl"}:
        data = victim.read_bytes()
        for harm in (flip, cut):
            harm(victim)
            assert [damage.path for damage in find_damage(Run(folder))] == [victim]
            victim.write_bytes(data)
    assert find_damage(Run(folder)) == ()


@pytest.mark.parametrize("harm", HARMS)
def test_the_log_decides_nothing(plan: Plan, folder: Path, harm: Callable[[Path], None]) -> None:
    whole = bytes_of(folder)
    harm(folder / "events.jsonl")
    assert find_damage(Run(folder)) == ()
    assert render_with(plan, folder).made == []
    assert bytes_of(folder) == whole
    assert (folder / "events.jsonl").read_bytes().endswith(b"\n")


def test_missing_accepted_take_is_damage(plan: Plan, folder: Path) -> None:
    (take,) = folder.glob("shots/city/*")
    for file in take.iterdir():
        file.unlink()
    take.rmdir()
    (damage,) = find_damage(Run(folder))
    assert (damage.path, damage.why) == (take, 'the accepted take of "city" is missing')
    assert render_with(plan, folder).made == ["city"]


def test_take_in_the_folder_of_another_key_is_damage(folder: Path) -> None:
    (take,) = folder.glob("shots/city/*")
    take.rename(take.with_name("0" * 12))
    assert any(damage.path.parent.name == "0" * 12 for damage in find_damage(Run(folder)))


def test_empty_folder_is_neither_take_nor_damage(plan: Plan, folder: Path) -> None:
    (folder / "shots" / "city" / ("0" * 12)).mkdir()
    assert find_damage(Run(folder)) == ()
    assert render_with(plan, folder).made == []


def test_latents_that_change_after_verification_are_refused(folder: Path) -> None:
    take = Run(folder).takes_by_shot()["city"].takes[0]
    flip(take.folder / "latents.safetensors")
    with pytest.raises(OnestoryError) as caught:
        take.latents()
    assert caught.value.code == "R406"
    with pytest.raises(OnestoryError):
        read_latents(folder / "nothing", take.digest)


def test_damage_of_an_unused_take_renders_nothing(folder: Path) -> None:
    (victim,) = folder.glob("shots/opening/*/clip.mp4")
    other = plan_of(shot("opening", "other words"), shot("city"), shot("return"))
    render_with(other, folder)
    flip(victim)
    heard: list[Event] = []
    assert render_with(other, folder, heard.append).made == []
    assert sum(isinstance(event, events.Warned) for event in heard) == 1
