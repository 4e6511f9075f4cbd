"""A change of a single byte in any file of a run directory is found, white space included."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.checkpoint import Partial
from onestory_cli.store.layout import EVENTS, NOTES
from onestory_cli.store.notes import TakeNote, read_notes, write_note
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import RunWriter
from tests.films import plan_of, render_with, shot

SPACES = b" \t\r\n"


def changes(data: bytes, count: int, dice: random.Random) -> Iterator[bytes]:
    """Copies of `data` with one byte flipped, replaced, inserted or removed; white space is chosen every other time."""
    blanks = [at for at, byte in enumerate(data) if byte in SPACES]
    for number in range(count):
        at = dice.choice(blanks) if blanks and number % 2 else dice.randrange(len(data))
        old, rest = data[at : at + 1], data[at + 1 :]
        other = bytes([dice.choice([byte for byte in SPACES if byte != data[at]])])
        flipped = bytes([data[at] ^ 1 << dice.randrange(8)])
        yield data[:at] + dice.choice([flipped, other, old + other, other + old, b""]) + rest
    yield data + b"\n"
    yield b" " + data
    yield data[:-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with each kind of file: takes, a partial, notes, an input picture and the film."""
    Image.new("RGB", (32, 32), (90, 10, 10)).save(tmp_path / "start.png")
    plan = plan_of(shot("opening", image="start.png"), shot("city"), folder=tmp_path)
    render_with(plan, tmp_path / "film.run")
    run = Run.open(tmp_path / "film.run")
    partial = Partial(identity="0", step=1, steps=3, arrays={"latents": np.zeros((4, 2, 4, 4), np.float32)})
    RunWriter(run).save_partial("city", "a" * 64, partial)
    write_note(RunWriter(run), run.takes_by_shot()["city"].takes[0], TakeNote(text="too dark", rejected=True))
    return run.path


def missed_changes(folder: Path, count: int, dice: random.Random) -> tuple[int, list[str]]:
    """The number of changed bytes, and the files in which one was not found."""
    tried, missed = 0, []
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != EVENTS)
    for file in files:
        data = file.read_bytes()
        for changed in changes(data, count, dice):
            if changed == data:
                continue
            file.write_bytes(changed)
            tried += 1
            if [damage.path for damage in find_damage(Run(folder))] != [file]:
                missed.append(str(file.relative_to(folder)))
        file.write_bytes(data)
    return tried, missed


def test_each_kind_of_file_is_protected(folder: Path) -> None:
    tried, missed = missed_changes(folder, 3, random.Random(1))
    assert missed == []
    assert tried > 50
    assert find_damage(Run(folder)) == ()


@pytest.mark.fault
def test_many_single_bytes_are_found(folder: Path) -> None:
    tried, missed = missed_changes(folder, 150, random.Random(2))
    assert missed == []
    assert tried > 1500


def test_damaged_notes_are_set_aside_by_the_next_note(folder: Path) -> None:
    run = Run.open(folder)
    take = run.takes_by_shot()["city"].takes[0]
    damaged = (folder / NOTES).read_bytes().replace(b"dark", b"dank")
    (folder / NOTES).write_bytes(damaged)
    write_note(RunWriter(run), take, TakeNote(text="fine now"))
    assert read_notes(folder) == {take.path: TakeNote(text="fine now")}
    assert (folder / f".damaged-{NOTES}").read_bytes() == damaged
    assert find_damage(run) == ()
