"""Small moving test pictures."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

MakePixels = Callable[..., np.ndarray]


@pytest.fixture
def make_pixels() -> MakePixels:
    """Frames (P, H, W, 3) uint8: a smooth drifting gradient that depends on the seed."""

    def make(*, seed: int = 0, frames: int = 9, height: int = 32, width: int = 48) -> np.ndarray:
        time, row, column = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
        channels = [(seed * 50 + 3 * row + 5 * time), (seed * 90 + 2 * column), (200 - seed * 40 - row - column)]
        return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which no file may grow beyond the given number of bytes; it simulates a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limit of file sizes")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
