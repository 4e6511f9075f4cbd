"""Small grey pictures of all frames of one video, on disk when there are many. No torch here.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import overload

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
MEMORY_BYTES = 32 * 2**20  # kept in memory; more go to a temporary file, so that memory does not grow with the video


class FrameStore(Sequence[Grey]):
    """A sequence of pictures (H, W) of one size. Use as a context manager, which deletes the temporary file."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115 - closed by __exit__
        self._count, self._shape = 0, (0, 0)

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, grey_HW: Grey) -> None:
        """Add a picture at the end."""
        assert not self._count or grey_HW.shape == self._shape
        height, width = grey_HW.shape
        self._shape = height, width
        self._file.seek(self._count * grey_HW.size)
        self._file.write(grey_HW.tobytes())
        self._count += 1

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Grey: ...

    @overload
    def __getitem__(self, index: slice) -> list[Grey]: ...

    def __getitem__(self, index: int | slice) -> Grey | list[Grey]:
        if isinstance(index, slice):
            first, last, step = index.indices(self._count)
            return [*self._read(first, max(first, last))[::step]]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        first = index % self._count
        return self._read(first, first + 1)[0]

    def _read(self, first: int, last: int) -> Grey:
        """Pictures (P, H, W)."""
        height, width = self._shape
        self._file.seek(first * height * width)
        data = self._file.read((last - first) * height * width)
        return np.frombuffer(data, np.uint8).reshape(last - first, height, width)
