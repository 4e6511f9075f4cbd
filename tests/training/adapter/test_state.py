"""Training state: resumed training is byte-identical, also with sharded weights (FSDP 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
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

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.base(inputs))


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def fresh(*, sharded: bool, **identity: object) -> TrainingState:
    model = Parts()
    if sharded:
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    optimiser = torch.optim.AdamW([item for item in model.parameters() if item.requires_grad], lr=0.1)
    return TrainingState(model, optimiser, MovingAverage({"parts": model}, 0.5), identity)


def learn(state: TrainingState, steps: range) -> None:
    for step in steps:
        state.learner(torch.full((1, 4), float(step))).square().sum().backward()
        state.optimiser.step()
        state.optimiser.zero_grad()
        state.average.update(step)


def check_resumed(path: Path, *, sharded: bool, resumed_sharded: bool) -> None:
    state = fresh(sharded=sharded)
    learn(state, range(3))
    state.save(path, 3, writes=True)
    learn(state, range(3, 5))
    resumed = fresh(sharded=resumed_sharded)
    assert resumed.restore(path) == 3
    learn(resumed, range(3, 5))
    expected, found = state.averaged(), resumed.averaged()
    assert sorted(found) == ["parts.head.bias", "parts.head.weight"]
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    stored = torch.load(path, weights_only=True)
    assert sorted(stored["learner"]) == ["head.bias", "head.weight"]


def test_resumed_training_is_byte_identical(tmp_path: Path) -> None:
    check_resumed(tmp_path / "state.pt", sharded=False, resumed_sharded=False)


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("resumed_sharded", [True, False])
def test_sharded_weights_are_restored_sharded_or_whole(tmp_path: Path, resumed_sharded: bool) -> None:
    assert isinstance(fresh(sharded=True).average.weights["parts.head.weight"], DTensor)
    check_resumed(tmp_path / "state.pt", sharded=True, resumed_sharded=resumed_sharded)


def test_nothing_is_restored_without_a_checkpoint_or_from_another_training(tmp_path: Path) -> None:
    state = fresh(sharded=False, seed=1, train={"rate": 0.1})
    assert state.restore(tmp_path / "state.pt") == 0
    state.save(tmp_path / "state.pt", 1, writes=False)
    assert not (tmp_path / "state.pt").exists()
    state.save(tmp_path / "state.pt", 1, writes=True)
    with pytest.raises(OnestoryError, match="changed: train") as caught:
        fresh(sharded=False, seed=1, train={"rate": 0.2}).restore(tmp_path / "state.pt")
    assert caught.value.code == "T605"
