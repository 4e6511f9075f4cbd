"""Training state: resumed training is byte-identical, also with sharded weights (FSDP 2)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from onestory_cli.errors import OnestoryError
from onestory_cli.training.adapter.state import TrainingState
from onestory_cli.training.optim import MovingAverage


class Parts(nn.Module):
    """One frozen part and one trainable part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.base, self.head = nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2)
        self.head.scale = nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.base(inputs)) * self.head.scale


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@dataclass(frozen=True)
class Run:
    """A model in training."""

    model: Parts
    state: TrainingState

    def learn(self, steps: range) -> None:
        for step in steps:
            self.model(torch.full((1, 4), float(step))).square().sum().backward()
            self.state.optimiser.step()
            self.state.optimiser.zero_grad()
            self.state.average.update(step)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.detach() for name, value in self.state.average.live.items()}


def fresh(*, sharded: bool = False, **identity: object) -> Run:
    model = Parts()
    if sharded:
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    optimiser = torch.optim.AdamW([item for item in model.parameters() if item.requires_grad], lr=0.1)
    return Run(model, TrainingState(optimiser, MovingAverage({"parts": model}, 0.5), identity))


def check_resumed(folder: Path, *, sharded: bool, resumed_sharded: bool) -> None:
    run = fresh(sharded=sharded)
    run.learn(range(3))
    run.state.save(folder, 3)
    run.learn(range(3, 5))
    resumed = fresh(sharded=resumed_sharded)
    assert resumed.state.restore(folder) == 3
    resumed.learn(range(3, 5))
    expected, found = run.state.averaged(), resumed.state.averaged()
    assert sorted(found) == ["parts.head.bias", "parts.head.scale", "parts.head.weight"]
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("file_bytes", [2**32, 1])
def test_resumed_training_is_byte_identical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_bytes: int) -> None:
    monkeypatch.setattr("onestory_cli.training.adapter.state.FILE_BYTES", file_bytes)
    check_resumed(tmp_path, sharded=False, resumed_sharded=False)
    files = [path.name for path in (tmp_path / "step-000003").iterdir()]
    assert len(files) == (2 if file_bytes > 1 else 13)  # four tensors for each of three weights, and the step


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("resumed_sharded", [True, False])
def test_sharded_weights_are_restored_sharded_or_whole(tmp_path: Path, resumed_sharded: bool) -> None:
    assert isinstance(fresh(sharded=True).state.average.weights["parts.head.weight"], DTensor)
    check_resumed(tmp_path, sharded=True, resumed_sharded=resumed_sharded)


def test_only_trained_weights_are_stored_as_safetensors(tmp_path: Path) -> None:
    run = fresh()
    run.learn(range(1))
    run.state.save(tmp_path, 1)
    (shard,) = (tmp_path / "step-000001").glob("*.safetensors")
    kinds = ("average", "exp_avg", "exp_avg_sq", "weights")
    names = ("bias", "scale", "weight")
    assert sorted(load_file(shard)) == sorted(f"{kind}.parts.head.{name}" for kind in kinds for name in names)


def test_a_checkpoint_replaces_the_one_before_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fresh()
    run.learn(range(1))
    run.state.save(tmp_path, 1)
    before = {name: value.clone() for name, value in run.weights.items()}
    run.learn(range(1, 2))
    with monkeypatch.context() as patch:
        patch.setattr("onestory_cli.training.adapter.state.write_atomic", _full_disk)
        with pytest.raises(OSError, match="No space"):
            run.state.save(tmp_path, 2)
    resumed = fresh()
    assert resumed.state.restore(tmp_path) == 1
    assert all(torch.equal(resumed.weights[name], value) for name, value in before.items())
    run.state.save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]  # the unfinished draft is removed, too
    assert fresh().state.restore(tmp_path) == 2


def test_a_checkpoint_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        fresh().state.save(tmp_path / "file", 1)


def _full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_is_restored_without_a_checkpoint_or_from_another_training(tmp_path: Path) -> None:
    run = fresh(seed=1, train={"rate": 0.1, "sizes": (1, 2)})
    assert run.state.restore(tmp_path) == 0
    run.learn(range(1))
    run.state.save(tmp_path, 1)
    assert fresh(seed=1, train={"rate": 0.1, "sizes": (1, 2)}).state.restore(tmp_path) == 1
    with pytest.raises(OnestoryError, match="changed: train") as caught:
        fresh(seed=1, train={"rate": 0.2, "sizes": (1, 2)}).state.restore(tmp_path)
    assert caught.value.code == "T605"


def test_checkpoint_of_an_older_version_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "adapter.pt").touch()
    with pytest.raises(OnestoryError, match="older version") as caught:
        fresh().state.restore(tmp_path)
    assert caught.value.code == "T605"
