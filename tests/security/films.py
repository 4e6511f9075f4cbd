"""Hostile films and run directories."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from onestory_cli.store.checksummed_json import dump_checksummed
from tests.security.hostile import HEAD, ONE, Hostile

FILM, RUN = "film.mp4", "film.run"
RECIPE: dict[str, Any] = {
    "format": 1,
    "tool": "onestory",
    "title": "t",
    "model": {"name": "m", "fingerprint": "f"},
    "first_shot_model": None,
    "story": HEAD + ONE,
    "files": {},
    "shots": [{"id": "a", "take": 1, "model": "f"}],
}
STATE: dict[str, Any] = {
    "format": 1,
    "tool": "onestory",
    "model": {"name": "m", "folder": "/etc", "fingerprint": "f", "fitting": {}},
    "first_model": None,
    "story": HEAD + ONE,
    "profile": None,
    "seed": 0,
    "inputs": {},
    "loras": {},
    "shots": {},
    "film": None,
}
ENTRY = {"folder": "a/c0ffee", "take": 1, "reason": {"kind": "new", "detail": ""}, "seed": None, "chosen": False}


def film(codes: str, recipe: object = None, *flags: str, **changed: object) -> Hostile:
    """A film of two frames whose metadata hold a recipe: a text as it is, or the good one with other values."""
    text = recipe if isinstance(recipe, str) else json.dumps(RECIPE | changed)
    return Hostile(make=lambda folder: _write(folder / FILM, text), codes=codes, command=("inspect", FILM, *flags))


def no_film(make: Callable[[Path], object]) -> Hostile:
    return Hostile(make=lambda folder: make(folder / FILM), codes="M508", command=("inspect", FILM))


def run(make: Callable[[Path], object], *command: str) -> Hostile:
    """A run directory whose run.json `make` writes."""

    def both(folder: Path) -> None:
        (folder / RUN).mkdir()
        make(folder / RUN / "run.json")

    return Hostile(make=both, codes="R404", command=(*command, RUN))


def stated(**changed: object) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(dump_checksummed(STATE | changed))


def _write(path: Path, recipe: str) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+use_metadata_tags"}) as container:
        container.metadata["onestory"] = recipe
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


FILMS = {
    "film: a deep recipe": film("M515", "[" * 10**6),
    "film: a huge number": film("M515", '{"format": ' + "9" * 10**6 + "}"),
    "film: an escape for a format": film("M515", format="\x1b[2J"),
    "film: an escape for a title": film("", title="\x1b[2J\u202e", files={"\x1b]0;x\x07": "0"}),
    "film: an escape in JSON": film("", None, "--json", title="\x1b[2J\u202e\x9b"),
    "film: an escape for an id": film("", shots=[{"id": "\x1b[2J", "model": ["\x1b"]}]),
    "film: a list for a name": film("M515", model={"name": ["x"], "fingerprint": ["y"]}),
    "film: pairs for files": film("M515", files=["ab"]),
    "film: half a character": film("M515", story="\ud800"),
    "film: a million shots": film("M515", shots=[{}] * 10**6),
    "film: a story of 20 MB": film("M515", story="x" * 2 * 10**7),
    "film: a list of addresses": no_film(lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")),
    "film: a playlist": no_film(lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")),
    "film: a pipe": no_film(lambda path: os.mkfifo(path)),
    "film: a device": no_film(lambda path: path.symlink_to("/dev/zero")),
    "run: a pipe": run(lambda path: os.mkfifo(path), "report"),
    "run: a device": run(lambda path: path.symlink_to("/dev/zero"), "inspect-memory"),
    "run: deep": run(lambda path: path.write_text("[" * 10**6), "contact-sheet"),
    "run: infinity": run(lambda path: path.write_text('{"seal": "", "seed": Infinity}'), "resume"),
    "run: a take elsewhere": run(stated(shots={"a": ENTRY | {"folder": "../../x"}}), "export", "--to", "otio"),
    "run: text for a number": run(stated(seed="7"), "take", "list"),
    "run: an unknown switch": run(stated(model=STATE["model"] | {"fitting": {"x": 1}}), "inspect-memory"),
    "run: a list for a map": run(stated(inputs=["ab"]), "resume"),
    "run: a reason that is none": run(stated(shots={"a": ENTRY | {"reason": {"kind": "x", "detail": ""}}}), "report"),
}
