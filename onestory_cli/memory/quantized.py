"""Features of the selector as 8-bit integers, for the cache of long films.

Shape letters: F frames, N tokens per frame, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LARGEST = 127


@dataclass(frozen=True, kw_only=True)
class QuantizedFeatures:
    """Features (F, N, D) with one scale per token. The error is at most 0.4 % of a token's largest value."""

    values_FND: Tensor
    scales_FN1: Tensor

    @classmethod
    def of(cls, features_FND: Tensor) -> QuantizedFeatures:
        """Quantize features; the result is on the CPU."""
        scales_FN1 = features_FND.abs().amax(-1, keepdim=True).clamp(min=1e-12) / _LARGEST
        values_FND = (features_FND / scales_FN1).round().to("cpu", torch.int8)
        return cls(values_FND=values_FND, scales_FN1=scales_FN1.to("cpu", torch.float32))

    @property
    def nbytes(self) -> int:
        return self.values_FND.nbytes + self.scales_FN1.nbytes

    def to(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The features on a device."""
        return (self.values_FND.to(device).float() * self.scales_FN1.to(device)).to(dtype)
