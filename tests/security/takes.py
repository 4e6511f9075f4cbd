"""Hostile takes: forged run directories in which every checksum is right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from onestory_cli.media.video import write_clip
from onestory_cli.store.checksummed_json import dump_checksummed
from onestory_cli.store.disk import digest
from onestory_cli.store.keys import SHORT, spec_key, take_key
from onestory_cli.store.layout import CLIP, LATENTS, RECORD
from tests.security.films import ENTRY, RUN, STATE
from tests.security.hostile import Hostile

SIDE, FRAMES = 16, 2
SPEC: dict[str, Any] = {
    "model": "f",
    "caption": "A fox.",
    "seed": 7,
    "frames": FRAMES,
    "width": SIDE,
    "height": SIDE,
    "steps": 3,
    "guidance": 3.0,
    "memory_frames": 2,
    "memory_budget": 1.0,
    "memory_policy": "adaptive",
}
SETTINGS: dict[str, Any] = {"fps": 8, "scale": 1, "filter": "nearest", "crf": 16}
MEMORY: dict[str, Any] = {"visible": {}, "scores": {}, "selected": [], "context_tokens": 0, "noise_tokens": 4}
TAKE: dict[str, Any] = {
    "format": 1,
    "shot": "a",
    "take": 1,
    "seed_base": 7,
    "seed_given": False,
    "spec": SPEC,
    "memory": MEMORY,
    "reason": {"kind": "new", "detail": ""},
    "seconds": {"denoise": 1.0},
    "environment": {},
    "created": 1.0,
}
SEEN = {"source": "b", "digest": "0", "index": 0, "score": 0.0, "level": "fine", "tokens": 4}
TENSOR: dict[str, Any] = {"dtype": "F32", "shape": [1, 1, 2, 2], "data_offsets": [0, 16]}


def take(*command: str, codes: str = "R414", clip: bytes = b"", latents: object = None, **changed: Any) -> Hostile:
    """A run of one take: with another clip, with another header of its latents, or with other fields on record."""

    def make(folder: Path) -> None:
        lies = folder / RUN / "shots" / "a" / "new"
        lies.mkdir(parents=True)
        _write_clip(lies / CLIP, clip)
        (lies / LATENTS).write_bytes(_latents({"latents": TENSOR} if latents is None else latents))
        files = {name: vars(digest(lies / name)) for name in (CLIP, LATENTS)}
        record = {"files": files, **TAKE, **changed}
        record["clip"] = record.pop("settings", SETTINGS)
        key = take_key(spec_key(record["spec"]), record["memory"]["visible"], {})
        (lies / RECORD).write_bytes(dump_checksummed({"key": key, **record}))
        lies.rename(lies.with_name(key[:SHORT]))
        state = STATE | {"shots": {"a": ENTRY | {"folder": f"a/{key[:SHORT]}"}}}
        (folder / RUN / "run.json").write_bytes(dump_checksummed(state))

    return Hostile(make=make, codes=codes, command=(*(command or ("export", "--to", "otio")), RUN))


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def gif(side: int) -> bytes:
    """An animation of two hundred bytes that says how large it is: all that a decoder asks before it starts."""
    size = side.to_bytes(2, "little") * 2
    picture = b"\x2c\0\0\0\0" + size + b"\0\x02\x02\x4c\x01\0"
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + picture * 8 + b";"


def _write_clip(path: Path, clip: bytes) -> None:
    if clip:
        path.write_bytes(clip)
    else:
        write_clip(path, np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8), fps=8)


def _latents(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(16)


def shaped(**changed: object) -> dict[str, Any]:
    return {"latents": TENSOR | changed}


def with_pipe(hostile: Hostile, name: str) -> Hostile:
    """The same run, with a pipe of this name next to the record."""

    def make(folder: Path) -> None:
        hostile.make(folder)
        (record,) = folder.glob(f"{RUN}/shots/a/*/{RECORD}")
        os.mkfifo(record.with_name(name))

    return Hostile(make=make, codes=hostile.codes, command=hostile.command)


TAKES = {
    "take: a good one": take("inspect-memory", codes=""),
    **{f"take: no {name} in its spec": take(spec=without(SPEC, name)) for name in SPEC},
    "take: a word for guidance": take(spec=SPEC | {"guidance": "x"}),
    "take: a word for guidance of the memory": take(spec=SPEC | {"memory_guidance": "x"}),
    "take: guidance beyond all numbers": take(spec=SPEC | {"memory_guidance": 10**400}),
    "take: no spec for a sheet": take("contact-sheet", spec={}),
    "take: no clip settings": take(settings={}),
    "take: a word for a seed": take(spec=SPEC | {"seed": "x"}),
    "take: a number beyond all floats": take(created=10**400),
    "take: no files": take(files={}),
    "take: frames of an unknown shot": take(memory=MEMORY | {"selected": [SEEN]}),
    "take: frames beyond the scores": take(
        memory=MEMORY | {"visible": {"b": "0"}, "scores": {"b": [0.0]}, "selected": [SEEN | {"index": 9}]}
    ),
    "take: scores beyond all floats": take(
        memory=MEMORY | {"visible": {"b": "0"}, "scores": {"b": [1e308, -1e308]}, "selected": [SEEN]}
    ),
    "take: an unknown check": take(checks=[{"name": "x", "value": 1.0, "limit": 1.0, "bad": True}]),
    "latents: no header": take(latents=b""),
    "latents: deep": take(latents=b"[" * 4000),
    "latents: a list": take(latents=[]),
    "latents: of no size": take(latents=shaped(shape=[1, 0, 2, 2])),
    "latents: of words": take(latents=shaped(shape=["1", "1", "2", "2"])),
    "latents: three sides": take(latents=shaped(shape=[1, 2, 2])),
    "latents: larger than the file": take(latents=shaped(shape=[10**9, 10**9, 2, 2])),
    "latents: elsewhere": take(latents=shaped(data_offsets=[0, 8])),
    "partial: a pipe": with_pipe(
        take("inspect-memory", codes="", memory=MEMORY | {"visible": {"a": "0"}}), "partial.safetensors"
    ),
    "clip: 20000 pixels wide": take("contact-sheet", codes="M508", clip=gif(20_000)),
    "clip: larger than on record": take("report", codes="M508", clip=gif(6000)),
    "clip: longer than on record": take("contact-sheet", codes="M508", clip=gif(SIDE)),
}
