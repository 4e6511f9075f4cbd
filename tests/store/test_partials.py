"""partial.safetensors: whole, for one take, or nothing."""

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


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
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
def test_it_says_where_the_work_goes_on(step: int, says: str) -> None:
    assert str(KeptPartial(path=Path(), key=KEY, step=step, steps=24)) == says


def test_every_byte_that_says_something_is_guarded(tmp_path: Path) -> None:
    path, data = tmp_path / "partial.safetensors", write_partial(KEY, PARTIAL)
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        try:
            kept, partial = read_partial(path)
        except DamagedFileError:
            continue
        assert data[position : position + 1].isspace()  # the padding of the header
        assert (kept.key, partial.identity) == (KEY, PARTIAL.identity)
    for size in range(len(data)):
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


def test_it_is_found_by_its_key_and_is_no_take(run: Run) -> None:
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


def test_it_takes_the_place_of_the_one_before_and_goes_when_dropped(run: Run) -> None:
    later = Partial(identity="e", step=7, steps=24, arrays=PARTIAL.arrays)
    RunWriter(run).save_partial("city", KEY, later)
    assert [path.name for path in take_folder(run.path, "city", KEY).iterdir()] == ["partial.safetensors"]
    assert run.partial("city", KEY).step == 7  # type: ignore[union-attr]
    RunWriter(run).remove_partial("city", KEY)
    RunWriter(run).remove_partial("city", KEY)
    assert run.partial("city", KEY) is None


@pytest.mark.parametrize("harm", HARMS[:2])
def test_a_damaged_one_is_named_and_never_gone_on_with(run: Run, harm: Callable[[Path], None]) -> None:
    victim = take_folder(run.path, "city", KEY) / "partial.safetensors"
    harm(victim)
    assert [damage.path for damage in find_damage(run)] == [victim]
    assert run.partial("city", KEY) is None


def test_one_that_lies_in_the_wrong_folder_is_damage(run: Run) -> None:
    folder = take_folder(run.path, "city", KEY)
    folder.rename(folder.with_name("0" * 12))
    (damage,) = find_damage(run)
    assert damage.why == "a partial of another take"
