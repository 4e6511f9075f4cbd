"""The shard cache: shards are atomic, and several processes may write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from onestory_cli.training.adapter.cache import Shards, key_of


def test_flushed_entries_are_readable_in_another_process(tmp_path: Path) -> None:
    value = torch.arange(6, dtype=torch.float16).view(2, 3)
    first = Shards(tmp_path)
    first.put("latents/a", value)
    assert torch.equal(first["latents/a"], value)
    assert "latents/a" not in Shards(tmp_path)
    first.flush()
    second = Shards(tmp_path)
    assert "latents/a" in second
    assert torch.equal(second["latents/a"], value)
    assert second["latents/a"].dtype == torch.float16


def test_full_shard_is_written_and_partial_file_is_ignored(tmp_path: Path) -> None:
    shards = Shards(tmp_path, shard_bytes=24)
    for name in "abc":
        shards.put(name, torch.zeros(4))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["000-000000.safetensors"]
    (tmp_path / "000-000001.draft").write_bytes(b"half")
    resumed = Shards(tmp_path, shard_bytes=24)
    assert [name in resumed for name in "abc"] == [True, True, False]


def test_writers_see_each_other_after_refresh(tmp_path: Path) -> None:
    first, second = Shards(tmp_path, writer=0), Shards(tmp_path, writer=1)
    first.put("a", torch.ones(2))
    first.flush()
    second.put("b", torch.zeros(2))
    second.flush()
    assert "b" not in first
    first.refresh()
    second.refresh()
    assert all(name in shards for name in "ab" for shards in (first, second))
    with pytest.raises(KeyError):
        first["c"]


def test_keys_distinguish_values() -> None:
    assert key_of("latents", "a", 1.0, 81) == key_of("latents", "a", 1.0, 81)
    others = {key_of("latents", "a", 1.0, 81), key_of("latents", "a", 1.5, 81), key_of("text", "a", 1.0, 81)}
    assert len(others) == 3
