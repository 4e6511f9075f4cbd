"""The memory bank: order, origins and validation of its frames."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.policies import FrameRef


def clip(value: float, frames: int) -> torch.Tensor:
    """Latents (2, T, 3, 4) whose frames are value, value + 0.1, ..."""
    return (value + 0.1 * torch.arange(frames))[None, :, None, None].expand(2, -1, 3, 4)


@pytest.fixture
def bank() -> MemoryBank:
    bank = MemoryBank(channels=2, height=3, width=4)
    bank.add("@fox", clip(0, 1))
    bank.add("opening", clip(1, 3))
    bank.add("city", clip(2, 2))
    return bank


def values(bank: MemoryBank) -> list[float]:
    return [round(float(frame.mean()), 3) for frame in bank.frames_FCHW]


def test_frames_are_in_film_order(bank: MemoryBank) -> None:
    assert bank.frames_FCHW.shape == (6, 2, 3, 4)
    assert values(bank) == [0, 1, 1.1, 1.2, 2, 2.1]
    assert bank.refs == tuple(
        FrameRef(*pair)
        for pair in [("@fox", 0), ("opening", 0), ("opening", 1), ("opening", 2), ("city", 0), ("city", 1)]
    )


def test_ages_count_sources_back_and_times_count_frames(bank: MemoryBank) -> None:
    assert bank.ages_F.tolist() == [3, 2, 2, 2, 1, 1]
    assert bank.times_F.tolist() == [0, 0, 1, 2, 0, 1]
    assert bank.ages_F.dtype == bank.times_F.dtype == torch.long


def test_an_empty_bank_has_zero_frames() -> None:
    bank = MemoryBank(channels=2, height=3, width=4)
    assert bank.frames_FCHW.shape == (0, 2, 3, 4)
    assert bank.ages_F.shape == bank.times_F.shape == (0,)
    assert bank.refs == ()


def test_a_replaced_source_keeps_its_position(bank: MemoryBank) -> None:
    bank.add("opening", clip(5, 1))
    assert values(bank) == [0, 5, 2, 2.1]


def test_latents_are_stored_as_float32_without_gradient(bank: MemoryBank) -> None:
    bank.add("half", clip(4, 1).to(torch.bfloat16))
    bank.add("live", clip(4, 1).clone().requires_grad_())
    assert bank.frames_FCHW.dtype == torch.float32
    assert not bank.frames_FCHW.requires_grad


@pytest.mark.parametrize("shape", [(3, 1, 3, 4), (2, 1, 4, 3), (2, 1, 3, 8)])
def test_latents_of_another_size_are_refused(bank: MemoryBank, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="return: latents"):
        bank.add("return", torch.zeros(shape))
    assert "return" not in {ref.source for ref in bank.refs}


def test_frames_at_copies_the_named_frames_in_order() -> None:
    bank = MemoryBank(channels=2, height=3, width=4)
    bank.add("a", torch.randn(2, 2, 3, 4))
    bank.add("b", torch.randn(2, 1, 3, 4))
    assert torch.equal(bank.frames_at([2, 0]), bank.frames_FCHW[[2, 0]])
    assert bank.frames_at([]).shape == (0, 2, 3, 4)
