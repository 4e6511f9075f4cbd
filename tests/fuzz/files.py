"""The promise for files of models, LoRAs, run directories and curations: any bytes are read or refused by a code."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from onestory_cli.errors import OnestoryError
from tests.fuzz.target import check_finding
from tests.security.doors import CURATE, DOORS, LORA, MODEL, RUN, UNCODED

SHM = Path("/dev/shm")
SAFETENSORS = ("model file", "header of weights", "weights of an adapter", "partial", "latents", "LoRA")
SEEDS = (
    "",
    "{}",
    "[]",
    '{"a": 1, "seal": "0"}',
    '{"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"], "vae": [null, null]}',
    '{"base": "wan2.1-t2v-1.3b", "levels": [{"name": "fine", "kernel": [1, 2, 2]}], "words": ["fox"], "steps": 4}',
    '{"weight_map": {"a": "w.safetensors"}}',
    '{"selector": {"width": 8}, "delta": {"transformer": {"kind": "lora"}}, "lora_alpha": 8, "alpha_pattern": {}}',
    '{"patch_embedding.weight": {"dtype": "F32", "shape": [1, 1, 1, 2, 2], "data_offsets": [0, 16]}}',
    '{"a.lora_A.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}, "__metadata__": {"x": "1"}}',
    '{"latents": {"dtype": "F32", "shape": [1, 1, 1, 1], "data_offsets": [0, 4]}}',
    '{"shot": "a", "take": 0, "spec": {"seed": 1}, "memory": {"visible": {}}, "files": {}, "clip": {}}',
    '{"tool": "o", "model": {"name": "m", "folder": "f", "fingerprint": "p"}, "shots": {}, "story": "", "seed": 1}',
    '{"event": "ShotKept", "time": 1.0, "shot": "a", "take": "b", "reason": "kept"}\n',
    "---\nlicense: apache-2.0\n---\n",
    "cuts: {detector: adaptive}\nsequences: {min_shots: 2}\n",
    "ab@1.0: {caption: a fox, reject: true, start: 1.0}\n",
    '[{"start": 0, "end": 1.5, "caption": "a fox", "video": "a.mp4"}]',
    "start,end,caption\n0,1,a fox\n",
    "1\n00:00:00,000 --> 00:00:02,000\nA fox.\n",
    "a.mp4\n",
)


def checker(doors: tuple[str, ...]) -> Callable[[bytes], None]:
    """A target for the doors of a group: the first byte of an input chooses one, the rest is the file.

    Files of the safetensors format get the length of their header, so that the fuzzer writes only JSON.
    """
    folder = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))

    def check(data: bytes) -> None:
        door = doors[data[0] % len(doors)] if data else doors[0]
        name, read = DOORS[door]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        body = data[1:]
        (folder / name).write_bytes(len(body).to_bytes(8, "little") + body + bytes(16) if door in SAFETENSORS else body)
        try:
            read(folder / name)
        except OnestoryError as fault:
            for item in fault.diagnostics:
                check_finding(item, body)
        except (ValueError, OSError):
            if door not in UNCODED:
                raise

    return check


def seeds(doors: tuple[str, ...]) -> list[bytes]:
    """Inputs to begin with: every seed at every door."""
    return [bytes([number]) + text.encode() for number in range(len(doors)) for text in SEEDS]


GROUPS = {"model": MODEL, "lora": LORA, "run": RUN, "curate": CURATE}


def write_seeds(group: str, folder: Path) -> None:
    """Write the inputs of a group as files, for libFuzzer."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(GROUPS[group])):
        (folder / f"seed-{number}").write_bytes(data)


def words() -> str:
    """The keys of all seeds as a dictionary for libFuzzer."""
    found = {key for text in SEEDS if text.startswith("{") for key in _keys(json.loads(text))}
    return "".join(f"{json.dumps(json.dumps(key))}\n" for key in sorted(found))


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    return {key for item in value for key in _keys(item)} if isinstance(value, list) else set()
