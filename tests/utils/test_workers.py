"""What one of several workers on a machine has."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.utils.workers import Share, own_device, split_threads


@pytest.mark.parametrize(
    ("part", "threads"),
    [
        (Share(), 6),
        (Share(share=2), 3),
        (Share(share=4), 1),
        (Share(share=9), 1),
        (Share(share=2, threads=4), 4),
        (Share(threads=2), 2),
    ],
)
def test_threads_are_split_fairly(part: Share, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(6)
        split_threads(part)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("part", "gpus", "device"),
    [
        (Share(place=1), 0, "auto"),
        (Share(place=1), 2, "cuda:1"),
        (Share(place=3, device="cuda"), 2, "cuda:1"),
        (Share(place=1, device="cpu"), 2, "cpu"),
    ],
)
def test_a_worker_has_the_gpu_of_its_place(
    part: Share, gpus: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert own_device(part) == device
