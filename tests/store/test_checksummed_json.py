"""Checksummed JSON and records are read complete or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.planning.jobs import Reason, ReasonKind
from onestory_cli.store.checksummed_json import (
    MAX_LINES,
    DamagedFileError,
    canonical,
    dump_checksummed,
    load_checksummed,
)
from onestory_cli.store.disk import FileDigest
from onestory_cli.store.keys import spec_key, take_key
from onestory_cli.store.record import MemoryState, Record

RECORD = Record(
    shot="return",
    take=0,
    seed_base=7,
    seed_given=False,
    spec={
        "model": "m",
        "caption": "the same fox, café",
        "image": None,
        "seed": 7,
        "frames": 5,
        "width": 32,
        "height": 32,
        "steps": 3,
        "guidance": 4.0,
        "memory_frames": 2,
        "memory_budget": 1.0,
        "memory_policy": "adaptive",
    },
    clip={"fps": 8, "scale": 1},
    memory=MemoryState(
        visible={"@fox": "a" * 64, "opening": "b" * 64},
        scores={"@fox": (0.25,), "opening": (0.1, -0.7)},
        selected=(
            SelectedFrame(source="opening", digest="b" * 64, index=0, score=0.1, level="fine", tokens=16),
            SelectedFrame(source="@fox", digest="a" * 64, index=0, score=0.25, level="coarse", tokens=1),
        ),
        context_tokens=17,
        noise_tokens=80,
    ),
    reason=Reason(kind=ReasonKind.MEMORY, detail="opening[0]"),
    seconds={"denoise": 1.5},
    environment={"device": "cpu", "threads": 2},
    created=1.0,
    files={"clip.mp4": FileDigest(sha256="c" * 64, bytes=9)},
)


def test_document_round_trips() -> None:
    document = {"b": [1, 2.5, None, "é"], "a": {"x": True}}
    assert load_checksummed(dump_checksummed(document)) == document


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        dump_checksummed({"a": 1})[:-5],
        dump_checksummed({"a": 1}).replace(b'"a": 1', b'"a": 2'),
        dump_checksummed({"a": 1}).replace(b'"a": 1', b'"a": 1.0'),
        dump_checksummed({"a": 1}).replace(b'"a"', b'"b"'),
        json.dumps({"a": 1, "seal": "0" * 64}).encode(),
    ],
)
def test_changed_document_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedFileError):
        load_checksummed(data)


def test_canonical_json_is_unique() -> None:
    assert canonical({"b": 1, "a": [1.0]}) == canonical({"a": [1.0], "b": 1}) == b'{"a":[1.0],"b":1}'
    with pytest.raises(ValueError, match="float"):
        canonical(float("nan"))


def test_record_round_trips_with_its_key() -> None:
    assert Record.from_bytes(RECORD.to_bytes()) == RECORD
    assert json.loads(RECORD.to_bytes())["key"] == RECORD.key
    assert RECORD.key == take_key(spec_key(RECORD.spec), {"@fox": "a" * 64, "opening": "b" * 64}, {})


def test_order_of_the_memory_is_stored() -> None:
    swapped = dict(reversed(RECORD.memory.visible.items()))
    other = replace(RECORD, memory=replace(RECORD.memory, visible=swapped))
    assert Record.from_bytes(other.to_bytes()).key == other.key != RECORD.key


def test_record_of_another_format_is_refused() -> None:
    document = load_checksummed(RECORD.to_bytes())
    with pytest.raises(DamagedFileError, match="another version"):
        Record.from_bytes(dump_checksummed({**document, "format": 99}))
    with pytest.raises(DamagedFileError, match="key"):
        Record.from_bytes(dump_checksummed({**document, "key": "0" * 64}))


def test_selected_frame_prints_as_source_and_index() -> None:
    assert [str(frame) for frame in RECORD.memory.selected] == ["opening[0]", "@fox[0]"]


@pytest.mark.parametrize("byte", b" \n\t\r")
def test_changed_white_space_is_damage(byte: int) -> None:
    data = RECORD.to_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] = byte
        if damaged != data:
            with pytest.raises(DamagedFileError):
                load_checksummed(bytes(damaged))


@pytest.mark.parametrize(
    "data",
    [
        b"{" + b"[]," * 2**20,  # would take 64 bytes of memory for each three of the file
        b"[\n" * (MAX_LINES + 1),
        json.dumps(json.loads(dump_checksummed({"a": [1]}))).encode(),
    ],
)
def test_text_that_was_not_written_here_is_not_parsed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda data: pytest.fail("parsed"))
    with pytest.raises(DamagedFileError):
        load_checksummed(data)
