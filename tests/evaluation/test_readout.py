"""The committed read-out on true frames, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.evaluation.readout import WEIGHTS, Readout, load_readout
from onestory_cli.evaluation.train_readout import ReadoutData, measure_accuracy, render_readout_data
from onestory_cli.storyworld.world import WorldConfig

UNSEEN = range(7_000_000, 7_000_012)


@pytest.fixture(scope="module")
def data() -> ReadoutData:
    world = WorldConfig(
        species=("fox", "rabbit", "bear", "robot", "frog", "ghost"),
        colours=("red", "yellow", "green", "blue", "purple", "white"),
    )
    return render_readout_data(UNSEEN, world)


def test_readout_reads_true_frames(readout: Readout, data: ReadoutData) -> None:
    shares = measure_accuracy(readout, data)
    wanted = {"species": 0.95, "colour": 0.95, "setting": 0.97, "accessory": 0.93, "accessory_colour": 0.9}
    assert {name: shares[name] for name, least in wanted.items() if shares[name] < least} == {}


def test_readout_states_its_accuracy(readout: Readout) -> None:
    assert {"true", "decoded"} <= set(readout.accuracy)
    assert readout.accuracy["decoded"]["colour"] > 0.9
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 2_000_000


def test_readout_reads_larger_and_fewer_frames(readout: Readout, data: ReadoutData) -> None:
    clips = data.pixels_BPHWC[:6, :1]
    larger = np.repeat(np.repeat(clips, 2, axis=2), 2, axis=3)
    assert [item.setting for item in readout.read(larger)] == [item.setting for item in readout.read(clips)]


def test_batch_size_does_not_change_readings(readout: Readout, data: ReadoutData) -> None:
    clips = data.pixels_BPHWC[:5]
    assert [item.looks for item in readout.read(clips, batch=2)] == [item.looks for item in readout.read(clips)]


def test_saved_readout_gives_the_same_readings(readout: Readout, data: ReadoutData, tmp_path: Path) -> None:
    readout.save(tmp_path)
    again = load_readout(tmp_path)
    assert again.accuracy == readout.accuracy
    assert again.read(data.pixels_BPHWC[:3]) == readout.read(data.pixels_BPHWC[:3])


def test_readout_of_another_vocabulary_is_rejected(readout: Readout, tmp_path: Path) -> None:
    readout.save(tmp_path)
    card = json.loads((tmp_path / "readout.json").read_text())
    card["vocabulary"]["species"].remove("fox")
    (tmp_path / "readout.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="another vocabulary"):
        load_readout(tmp_path)
