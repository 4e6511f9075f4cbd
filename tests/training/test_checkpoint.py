"""Checkpoints are atomic and cannot run code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from onestory_cli.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from onestory_cli.utils.atomic import pending_path


class Anything:
    """A class that a checkpoint must not be able to instantiate."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "vae.pt"


def test_checkpoint_round_trip(path: Path) -> None:
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"step": 3, "weights": {"a": torch.arange(3)}})
    stored = load_checkpoint(path)
    assert stored is not None
    assert stored["step"] == 3
    assert stored["weights"]["a"].tolist() == [0, 1, 2]
    assert [item.name for item in path.parent.iterdir()] == ["vae.pt"]


def test_process_killed_while_writing_keeps_the_old_checkpoint(path: Path) -> None:
    save_checkpoint(path, {"step": 3})
    pending_path(path).write_bytes(b"half of step 4")
    assert load_checkpoint(path) == {"step": 3}
    save_checkpoint(path, {"step": 5})
    assert load_checkpoint(path) == {"step": 5}


def test_error_while_writing_keeps_the_old_checkpoint(path: Path) -> None:
    save_checkpoint(path, {"step": 3})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, {"step": lambda: 4})
    assert load_checkpoint(path) == {"step": 3}


def test_checkpoint_cannot_run_code(path: Path) -> None:
    save_checkpoint(path, {"step": Anything()})
    with pytest.raises(Exception, match="Anything"):
        load_checkpoint(path)


def test_weights_are_loaded_into_the_parts_in_the_file(tmp_path: Path) -> None:
    first, second, third = (nn.Linear(2, 2) for _ in range(3))
    weights = {f"first.{name}": torch.full_like(value, 7) for name, value in first.named_parameters()}
    save_weights(tmp_path / "a.safetensors", weights)
    untouched = second.weight.clone()
    load_weights(tmp_path / "a.safetensors", {"first": first, "second": second})
    assert first.weight.eq(7).all()
    assert first.bias.eq(7).all()
    assert torch.equal(second.weight, untouched)
    with pytest.raises(ValueError, match=r"a\.safetensors has no first\.2\.bias"):
        load_weights(tmp_path / "a.safetensors", {"first": nn.Sequential(nn.ReLU(), nn.ReLU(), third)})


def test_unknown_weights_are_rejected(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.safetensors", {"first.weight": torch.zeros(2, 2), "first.bias": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"has an unknown first\.bias"):
        load_weights(tmp_path / "a.safetensors", {"first": nn.Linear(2, 2, bias=False)})
