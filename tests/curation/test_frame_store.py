from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.curation.frame_store import FrameStore


@pytest.mark.parametrize("memory_bytes", [10**6, 64], ids=["in memory", "on disk"])
def test_frames_come_back_as_they_were_stored(memory_bytes: int) -> None:
    pictures = [np.full((5, 7), number, np.uint8) for number in range(9)]
    with FrameStore(memory_bytes) as store:
        for count, picture in enumerate(pictures, start=1):
            store.append(picture)
            assert (store[-1] == picture).all()  # reading between writes does not disturb them
            assert len(store) == count
        assert [int(item[0, 0]) for item in store] == [*range(9)]
        assert [int(item[4, 6]) for item in store[2:6]] == [2, 3, 4, 5]
        assert [int(item[0, 0]) for item in store[7:20]] == [7, 8]
        assert store[5:3] == []
        with pytest.raises(IndexError):
            store[9]
