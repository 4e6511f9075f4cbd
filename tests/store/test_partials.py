"""partial.safetensors is read complete and for one take, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.checkpoint import Partial
from onestory_cli.store.checksummed_json import DamagedFileError
from onestory_cli.store.layout import take_folder
from onestory_cli.store.partials import KeptPartial, read_partial, write_partial
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import RunWriter
from tests.films import render_with, three_shots
from tests.store.test_damage import HARMS

KEY = "ab" * 32
PARTIAL = Partial(
    identity="cd" * 32,
    step=6,
    steps=24,
    arrays={
        "latents": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4),
        "timestep_list.0": np.array(937, np.int64),
        "this_order": np.array(2, np.int64),
    },
)


def test_partial_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "partial.safetensors"
    path.write_bytes(write_partial(KEY, PARTIAL))
    kept, partial = read_partial(path)
    assert kept == KeptPartial(path=path, key=KEY, step=6, steps=24)
    assert (partial.identity, partial.step, partial.steps) == (PARTIAL.identity, 6, 24)
    assert partial.arrays.keys() == PARTIAL.arrays.keys()
    for name, array in partial.arrays.items():
        assert (array.dtype, array.shape) == (PARTIAL.arrays[name].dtype, PARTIAL.arrays[name].shape)
        assert array.tobytes() == PARTIAL.arrays[name].tobytes()


@pytest.mark.parametrize(("step", "says"), [(6, "resumes at step 7 of 24"), (24, "resumes after step 24 of 24")])
def test_partial_names_the_step_where_it_resumes(step: int, says: str) -> None:
    assert str(KeptPartial(path=Path(), key=KEY, step=step, steps=24)) == says


def test_every_byte_of_a_partial_is_verified(tmp_path: Path) -> None:
    path, data = tmp_path / "partial.safetensors", write_partial(KEY, PARTIAL)
    space = {position for position, byte in enumerate(data) if byte == ord(" ")}  # the padding of the header
    for position in sorted({*range(0, len(data), 3), *space}):
        for changed in (data[position] ^ 4, *b"\t\n" * (position in space)):
            path.write_bytes(data[:position] + bytes([changed]) + data[position + 1 :])
            with pytest.raises(DamagedFileError):
                read_partial(path)
    for size in range(0, len(data), 5):
        path.write_bytes(data[:size])
        with pytest.raises(DamagedFileError):
            read_partial(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished run with the work on another take of a shot of it."""
    render_with(three_shots(), tmp_path)
    run = Run.open(tmp_path)
    RunWriter(run).save_partial("city", KEY, PARTIAL)
    return run


def test_partial_is_found_by_key_and_is_not_a_take(run: Run) -> None:
    shot_takes = run.takes_by_shot()["city"]
    assert len(shot_takes.takes) == 1
    assert shot_takes.partial_of(KEY) is not None
    assert shot_takes.partial_of("0" * 64) is None
    found = run.partial("city", KEY)
    assert found is not None
    assert found.step == 6
    assert run.partial("city", KEY[:12] + "0" * 52) is None
    assert run.partial("opening", KEY) is None
    assert find_damage(run) == ()


def test_partial_replaces_the_previous_one_and_can_be_removed(run: Run) -> None:
    later = Partial(identity="e", step=7, steps=24, arrays=PARTIAL.arrays)
    RunWriter(run).save_partial("city", KEY, later)
    assert [path.name for path in take_folder(run.path, "city", KEY).iterdir()] == ["partial.safetensors"]
    assert run.partial("city", KEY).step == 7  # type: ignore[union-attr]
    RunWriter(run).remove_partial("city", KEY)
    RunWriter(run).remove_partial("city", KEY)
    assert run.partial("city", KEY) is None


@pytest.mark.parametrize("harm", HARMS[:2])
def test_damaged_partial_is_reported_and_not_resumed(run: Run, harm: Callable[[Path], None]) -> None:
    victim = take_folder(run.path, "city", KEY) / "partial.safetensors"
    harm(victim)
    assert [damage.path for damage in find_damage(run)] == [victim]
    assert run.partial("city", KEY) is None


def test_partial_in_the_wrong_folder_is_damage(run: Run) -> None:
    folder = take_folder(run.path, "city", KEY)
    folder.rename(folder.with_name("0" * 12))
    (damage,) = find_damage(run)
    assert damage.why == "a partial of another take"
