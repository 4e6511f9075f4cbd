"""A stage loses at most the line that a kill cut short."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.curation.stage_store import NotStored, StageStore, StoredResults, stage_key


def test_values_survive_a_new_process(tmp_path: Path) -> None:
    store = StageStore(tmp_path)
    keys = [stage_key("a", number) for number in range(40)]
    for number, key in enumerate(keys):
        store.put(key, {"number": number, "text": "é\n"})
    store.close()
    again = StageStore(tmp_path)
    assert [again.get(key) for key in keys] == [{"number": number, "text": "é\n"} for number in range(40)]
    assert again.get(stage_key("b")) is None


def test_the_later_of_two_values_counts(tmp_path: Path) -> None:
    store, key = StageStore(tmp_path), stage_key(1)
    store.put(key, 1)
    store.put(key, 2)
    store.close()
    assert StageStore(tmp_path).get(key) == 2


def test_a_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    key = stage_key("kept")
    store = StageStore(tmp_path)
    store.put(key, "whole")
    store.close()
    shard = tmp_path / f"{key[:2]}.jsonl"
    whole = shard.read_bytes()
    for cut in (1, 30, 80):
        shard.write_bytes(whole + whole[:cut])
        assert len(StageStore(tmp_path)) == 1
        assert shard.read_bytes() == whole


def test_the_owner_takes_over_what_a_worker_wrote(tmp_path: Path) -> None:
    own, other = stage_key("own"), stage_key("worker")
    owner, worker = StageStore(tmp_path), StageStore(tmp_path, worker="1")
    owner.put(own, "a")
    worker.put(other, "b")
    assert worker.get(other) == "b"
    worker.close()
    with (tmp_path / "worker-1.jsonl").open("ab") as file:
        file.write(b'{"key": "cut sho')
    owner.close()
    again = StageStore(tmp_path)
    assert [again.get(own), again.get(other)] == ["a", "b"]
    assert not [*tmp_path.glob("worker-*")]


def test_a_worker_leaves_a_line_that_the_owner_is_writing(tmp_path: Path) -> None:
    key = stage_key("kept")
    shard = tmp_path / f"{key[:2]}.jsonl"
    shard.write_bytes(b'{"key": "half of a line')
    assert len(StageStore(tmp_path, worker="1")) == 0
    assert shard.stat().st_size == 23


def test_results_that_are_not_stored_are_not_computed(tmp_path: Path) -> None:
    stored = StoredResults(StageStore(tmp_path))
    with pytest.raises(NotStored):
        stored.get(stage_key("nothing"))
    with pytest.raises(NotStored):
        stored.put(stage_key("nothing"), 1)
