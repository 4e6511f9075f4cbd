"""Features in 8 bits are close to the exact ones, and a quarter of their size."""

from __future__ import annotations

import torch

from onestory_cli.memory.quantized import QuantizedFeatures

CPU = torch.device("cpu")


def test_the_error_is_relative_to_each_token() -> None:
    features = (
        torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-3, 1, 1e3])[:, None, None]
    )
    found = QuantizedFeatures.of(features).to(CPU, torch.float32)
    largest = features.abs().amax(-1, keepdim=True)
    assert ((found - features).abs() <= 0.004 * largest).all()
    assert QuantizedFeatures.of(found).to(CPU, torch.float32).allclose(found)


def test_zeros_stay_zeros_and_the_size_is_a_quarter() -> None:
    zeros = torch.zeros(2, 4, 256)
    stored = QuantizedFeatures.of(zeros)
    assert torch.equal(stored.to(CPU, torch.float32), zeros)
    assert stored.nbytes < zeros.nbytes / 3.9
