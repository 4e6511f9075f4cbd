"""What one of several workers on a machine has."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.utils.workers import WorkerShare, own_device, split_threads


@pytest.mark.parametrize(
    ("part", "threads"),
    [
        (WorkerShare(), 6),
        (WorkerShare(share=2), 3),
        (WorkerShare(share=4), 1),
        (WorkerShare(share=9), 1),
        (WorkerShare(share=2, threads=4), 4),
        (WorkerShare(threads=2), 2),
    ],
)
def test_threads_are_split_fairly(part: WorkerShare, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # restored after the test, which may change it
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
        (WorkerShare(place=1), 0, "auto"),
        (WorkerShare(place=1), 2, "cuda:1"),
        (WorkerShare(place=3, device="cuda"), 2, "cuda:1"),
        (WorkerShare(place=1, device="cpu"), 2, "cpu"),
    ],
)
@pytest.mark.slow
def test_a_worker_has_the_gpu_of_its_place(
    part: WorkerShare, gpus: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert own_device(part) == device
