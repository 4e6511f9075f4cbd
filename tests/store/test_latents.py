"""Latents files: large ones are memory maps."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.errors import OnestoryError
from onestory_cli.store import latents as latents_module
from onestory_cli.store.disk import sha256
from onestory_cli.store.latents import can_map, read_latents, unload, write_latents


@pytest.fixture(params=["float32", "uint8"])
def values(request: pytest.FixtureRequest) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (4, 2, 8, 8)).astype(request.param)


def write(path: Path, values: np.ndarray) -> str:
    path.write_bytes(write_latents(values))
    return sha256(path.read_bytes())


def test_large_latents_are_mapped_and_small_ones_are_not(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = write(tmp_path / "latents", values)
    small = read_latents(tmp_path / "latents", digest)
    assert not isinstance(small, np.memmap)
    assert not can_map(small)
    monkeypatch.setattr(latents_module, "MAP_BYTES", values.nbytes)
    assert can_map(small)
    large = read_latents(tmp_path / "latents", digest)
    assert isinstance(large, np.memmap)
    assert not can_map(large)
    assert np.array_equal(small, values)
    assert np.array_equal(large, values)


def test_mapped_latents_can_be_unloaded_and_used_by_torch_without_a_warning(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents_module, "MAP_BYTES", 0)
    latents = read_latents(tmp_path / "latents", write(tmp_path / "latents", values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = torch.from_numpy(latents)
    for _ in range(2):
        assert np.array_equal(tensor.numpy(), values)
        unload(latents)


def test_mapped_latents_with_another_digest_are_refused(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents_module, "MAP_BYTES", 0)
    write(tmp_path / "latents", values)
    with pytest.raises(OnestoryError) as caught:
        read_latents(tmp_path / "latents", "0" * 64)
    assert caught.value.code == "R406"
