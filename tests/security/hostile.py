"""Hostile stories, each a folder of files: a name, how to make it, and the code that refuses it."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

STORY = "film.story.yaml"
HEAD = "story: 1\ntitle: t\n"
ONE = "shots:\n  - id: a\n    caption: A fox.\n"


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """`codes` are those that may answer, "" is a good story; `make` fills a folder with what is refused."""

    make: Callable[[Path], object]
    codes: str
    command: tuple[str, ...] = ("validate", STORY)


def text(content: str | bytes, codes: str) -> Hostile:
    data = content if isinstance(content, bytes) else content.encode()
    return Hostile(make=lambda folder: (folder / STORY).write_bytes(data), codes=codes)


def shots(count: int, caption: Callable[[int], str]) -> str:
    return "shots:\n" + "".join(f"- id: s{index}\n  caption: {caption(index)}\n" for index in range(count))


def cast(count: int, name: Callable[[int], str]) -> str:
    return "characters:\n" + "".join(f"  {name(index)}: {{look: b}}\n" for index in range(count))


def pictured(make: Callable[[Path], object], codes: str, image: str = "fox.png") -> Hostile:
    """A story with a first frame, and what is at its path."""

    def both(folder: Path) -> None:
        (folder / STORY).write_text(HEAD + ONE + f"    image: {image}\n")
        make(folder / image)

    return Hostile(make=both, codes=codes)


def sounding(make: Callable[[Path], object], codes: str, sound: str = "a.wav") -> Hostile:
    """A story with a sound, and what is at its path."""

    def both(folder: Path) -> None:
        (folder / STORY).write_text(HEAD + ONE + f"    audio: {{file: {sound}}}\n")
        make(folder / sound)

    return Hostile(make=both, codes=codes)


def by(hostile: Hostile, *command: str) -> Hostile:
    """The same story given to another command."""
    return replace(hostile, command=(*command, STORY))


def modelled(card: object, codes: str) -> Hostile:
    """A story with a model folder next to it."""

    def both(folder: Path) -> None:
        (folder / "model").mkdir()
        data = card if isinstance(card, str) else json.dumps(card)
        (folder / "model" / "onestory.json").write_text(data)
        (folder / STORY).write_text(HEAD + "model: model\n" + ONE)

    return Hostile(make=both, codes=codes)


def imported(name: str, content: str, codes: str, *flags: str) -> Hostile:
    return Hostile(
        make=lambda folder: (folder / name).write_text(content), codes=codes, command=("import", name, *flags)
    )


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header states this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def webp(width: int, height: int) -> bytes:
    """A WebP animation of a large canvas and no frame."""
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + struct.pack("<I", width - 1)[:3]
    body += struct.pack("<I", height - 1)[:3] + b"ANIM" + struct.pack("<I", 6) + b"\0" * 6
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


class Bomb:
    """A pickle that writes a file where it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("/tmp/onestory-pickle-was-opened", "w")


def _laughs() -> str:
    rows = [f"a{index}: &a{index} [{','.join([f'*a{index - 1}'] * 9)}]\n" for index in range(1, 40)]
    return HEAD + "a0: &a0 [lol]\n" + "".join(rows) + ONE


def _many_names(folder: Path) -> None:
    (folder / "fox.png").write_bytes(png(4, 4, b"\0" * 52))
    images = "".join(f"- {{id: s{index}, caption: a, image: {'./' * index}fox.png}}\n" for index in range(400))
    (folder / STORY).write_text(HEAD + "shots:\n" + images)


def _large_pictures(folder: Path) -> None:
    for index in range(6):
        (folder / f"{index}.png").write_bytes(png(4, 4, b"\0" * 52))
        os.truncate(folder / f"{index}.png", 60 * 1024**2)
    rows = "".join(f"- {{id: s{index}, caption: a, image: {index}.png}}\n" for index in range(6))
    (folder / STORY).write_text(HEAD + "shots:\n" + rows)


def _pickled(folder: Path) -> None:
    (folder / "weights.pth").write_bytes(pickle.dumps(Bomb()))
    (folder / STORY).write_text(HEAD + "model: weights.pth\n" + ONE)


def _linked_run(folder: Path) -> None:
    (folder / STORY).write_text(HEAD + ONE)
    (folder / "film.run").symlink_to("/tmp")


CARD = {
    "licence": "",
    "about": "",
    "width": 64,
    "height": 64,
    "size_multiple": 16,
    "fps": 8,
    "frames": 17,
    "max_frames": 33,
    "steps": 8,
    "guidance": 4.0,
    "scheduler": "euler",
    "shift": 3.0,
    "memory_frames": 6,
    "budget": 1.0,
}

PLAYLIST = "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"

HOSTILE: dict[str, Hostile] = {
    "billion laughs": text(_laughs(), "S110 S120"),
    "an anchor within itself": text(HEAD + "note: &a [*a]\n" + ONE, "S110"),
    "100 MB": Hostile(
        make=lambda folder: os.truncate(os.open(folder / STORY, os.O_CREAT | os.O_RDWR), 10**8), codes="S113"
    ),
    "deep": text(HEAD + "note: " + "[" * 10**6, "S114"),
    "deep blocks": text(HEAD + "note:\n" + "".join(" " * index + "-\n" for index in range(2000)), "S114"),
    "a million shots": text(HEAD + "shots:\n" + "- {}\n" * 800_000, "S113"),
    "5000 shots": text(HEAD + shots(5000, lambda index: f"Fox {index}."), ""),
    "23000 characters": text(HEAD + cast(23_000, lambda index: f"a{index}") + ONE, ""),
    "many references": text(HEAD + "characters: {a: {look: b}}\n" + shots(5000, lambda _: "$a" * 260), "S142"),
    "phrases that refer back": text(
        HEAD + shots(2500, lambda index: f"w{index} " + f"the same w{index - 1}. " * 60), ""
    ),
    "misspelt names": text(
        HEAD
        + cast(500, lambda index: "ab" * 25 + f"{index:03}")
        + shots(200, lambda index: "$" + "ba" * 25 + f"{index:03}x"),
        "S104",
    ),
    "unknown words": text(HEAD + shots(800, lambda index: " ".join(f"fox{index}q{word}" for word in range(400))), ""),
    "a line of dashes": text(HEAD + "note: " + "-" * 10**5 + " b: c: d\n", "S106 S107"),
    "a long line": text(HEAD + "note: " + "x" * 4_000_000 + "\n" + ONE, ""),
    "newlines": text("\n" * 4_000_000 + HEAD + ONE, ""),
    "not a number": text(HEAD + "defaults: {guidance: .nan, shift: -.inf, steps: 1e999}\n" + ONE, "S115 S122"),
    "a huge number": text(HEAD + "seed: " + "9" * 10**6 + "\n" + ONE, "S115"),
    "bidi": text(HEAD + "shots: [{id: a, caption: A \u202efox.}]", "S103"),
    "bidi escaped": text(HEAD + 'shots: [{id: a, caption: "A \\u202efox."}]', "S103"),
    "a terminal's escape": text(HEAD + 'shots: [{id: "\\e[2J", caption: a}]', "S103 S127"),
    "format strings": text(HEAD + "shots: [{id: '%s{0.__class__}', caption: '{} %n'}]", "S127"),
    "half a character": text(HEAD.encode() + b"note: \xed\xa0\x80\n", "S102"),
    "not UTF-8": text(b"\xff\xfe" + HEAD.encode(), "S102"),
    "a mark": text("\ufeff" + HEAD + ONE, "S105"),
    "null bytes": text(HEAD + "note: a\0b\n" + ONE, "S103"),
    "tags": text(HEAD + "note: !!python/object/apply:os.system [id]\n" + ONE, "S110"),
    "a pipe": Hostile(make=lambda folder: os.mkfifo(folder / STORY), codes="S101"),
    "a device": Hostile(make=lambda folder: (folder / STORY).symlink_to("/dev/zero"), codes="S101"),
    "a picture elsewhere": pictured(lambda _: None, "S150", "../fox.png"),
    "a picture at the root": pictured(lambda _: None, "S150", "/etc/passwd"),
    "a picture by a link": pictured(lambda path: path.symlink_to("/etc/passwd"), "S151"),
    "a picture that is a pipe": pictured(lambda path: os.mkfifo(path), "S153"),
    "a picture that is text": pictured(lambda path: path.write_text("fox"), "S153"),
    "a picture of 10^10 pixels": pictured(lambda path: path.write_bytes(png(100_000, 100_000)), "S154"),
    "a WebP of 2^28 pixels": pictured(lambda path: path.write_bytes(webp(16_383, 16_383)), "S153 S154", "fox.webp"),
    "a picture of 10 GB": pictured(lambda path: (path.touch(), os.truncate(path, 10**10)), "S154"),
    "a picture of many names": Hostile(make=_many_names, codes=""),
    "large pictures": Hostile(make=_large_pictures, codes="S156"),
    "a sound elsewhere": sounding(lambda _: None, "S150", "../a.wav"),
    "a sound by a link": sounding(lambda path: path.symlink_to("/etc/passwd"), "S151"),
    "a sound that is a pipe": sounding(lambda path: os.mkfifo(path), "S172"),
    "a sound that is a list of addresses": sounding(lambda path: path.write_text(PLAYLIST), "S172", "a.mp3"),
    "a sound of another reader": sounding(lambda path: path.write_text(PLAYLIST), "S172", "a.m3u8"),
    "a sound of 10 GB": sounding(lambda path: (path.touch(), os.truncate(path, 10**10)), "S173", "a.mp3"),
    "100 MB of no sound": sounding(lambda path: (path.touch(), os.truncate(path, 10**8)), "S172", "a.mp3"),
    "a gain that is not a number": text(HEAD + "audio: {file: a.wav, gain: .inf, offset: 1e99s}\n" + ONE, "S115 S126"),
    "a subtitle that turns": text(HEAD + ONE + "    subtitle: A \u2067fox.\n", "S103"),
    "a LoRA elsewhere": text(HEAD + "lora: [{path: ../a.safetensors}]\n" + ONE, "S150"),
    "a model elsewhere": text(HEAD + "model: ../../../../../../etc\n" + ONE, "S155"),
    "a model at the root": text(HEAD + "model: /etc\n" + ONE, "S155"),
    "a model with a terminal's escape": text(HEAD + 'model: "a\\nb"\n' + ONE, "M501"),
    "a pickled model": Hostile(make=_pickled, codes="M511"),
    "a card of zeros": modelled(CARD | {"spatial_stride": 0}, "M502"),
    "a card of huge numbers": modelled(CARD | {"width": 10**30}, "M502"),
    "a card of text": modelled(CARD | {"fps": "8"}, "M502"),
    "a card of infinity": modelled(json.dumps(CARD | {"shift": float("inf")}), "M502"),
    "a deep card": modelled("[" * 10**5, "M502"),
    "a card elsewhere": modelled({"base": "/etc"}, "S155"),
    "a run that is a link": Hostile(make=_linked_run, codes="R416", command=("plan", STORY)),
    "import: deep": imported("a.json", '{"prompts": ' + "[" * 10**6, "I702"),
    "import: huge number": imported("a.json", '{"prompts": ["a"], "x": ' + "9" * 10**6 + "}", "I702"),
    "import: a million prompts": imported("a.json", json.dumps({"prompts": ["a"] * 400_000}), "I703"),
    "import: bidi": imported("a.json", '{"prompts": ["\\u202e"]}', "I702"),
    "import: maps": imported(
        "a.json", '{"scenes": [' + ",".join(["{}"] * 600_000) + "]}", "I702 I701", "--from", "vimax"
    ),
    "import: open notes": imported("a.fountain", "[[ /* \n\n" * 250_000, "I702"),
    "import: names": imported("a.fountain", "".join(f"FOX {n}\nHi.\n\n" for n in range(110_000)), "I703"),
    "import: one long line": imported("a.fountain", "*_" * 10**6, "I703"),
    "import: headings": imported("a.fountain", "".join(f"INT. A{n}\n\n" for n in range(150_000)), "I703"),
}

HOSTILE |= {
    f"{command[0]}: {name}": by(HOSTILE[name], *command)
    for command in (("plan",), ("render",), ("batch", "--out", "out"))
    for name in ("billion laughs", "100 MB", "a million shots", "a picture by a link", "a pickled model")
}
