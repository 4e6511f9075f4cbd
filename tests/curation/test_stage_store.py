"""A stage loses at most the line that a kill cut short."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.curation.stage_store import StageStore, stage_key


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
