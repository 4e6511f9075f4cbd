"""Cards and configs of models with hostile numbers: `python -m tests.security.model_values --count 5000 --seed 1`.

Every card is read and a story is planned with it, in this process, within bounds of time and memory.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onestory_cli.errors import OnestoryError
from onestory_cli.planning.compile import plan_story
from onestory_cli.story.load import read_story
from tests.security.hostile import CARD, HEAD

MAX_SECONDS = 2.0
MAX_BYTES = 500 * 2**20
SHOTS = 40
STORY = f"{HEAD}model: model\nshots:\n" + "".join(
    f"- {{id: s{n}, caption: The same fox waves.}}\n" for n in range(SHOTS)
)
Document = dict[str, Any]

_HEADER = json.dumps(
    {f"a{number}": {"dtype": "U8", "shape": [1], "data_offsets": [number, number + 1]} for number in range(8)}
).encode()
WEIGHTS = len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(8)
LEVEL = {"name": "fine", "patch": 2}
ALL_FIELDS = CARD | {
    "temporal_stride": 4,
    "spatial_stride": 8,
    "latent_channels": 16,
    "patch": 2,
    "guidance_2": 1.0,
    "memory_guidance": 0.5,
    "boundary_ratio": 0.9,
    "scale": 1,
    "memory_gb": 1.0,
    "levels": [LEVEL],
    "words": ["fox"],
    "phrases": ["the beach"],
}
TRANSFORMER = {
    "_class_name": "WanTransformer3DModel",
    "patch_size": [1, 2, 2],
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 256,
    "ffn_dim": 64,
    "num_layers": 2,
    "rope_max_seq_len": 1024,
}
VAE = {
    "_class_name": "AutoencoderKLWan",
    "z_dim": 16,
    "base_dim": 8,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 1,
    "scale_factor_spatial": 8,
    "scale_factor_temporal": 4,
}
SCHEDULER = {"_class_name": "UniPCMultistepScheduler", "flow_shift": 5.0}
INDEX = {
    "_class_name": "WanPipeline",
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "transformer_2": [None, None],
    "boundary_ratio": 0.9,
    "expand_timesteps": True,
}
FILES: dict[str, Document] = {
    "onestory.json": ALL_FIELDS,
    "model_index.json": INDEX,
    "transformer/config.json": TRANSFORMER,
    "vae/config.json": VAE,
    "scheduler/scheduler_config.json": SCHEDULER,
}
WHOLE = (0, -1, 1, 2, 3, 7, 17, 1000, 65_536, 65_537, 10**6 + 1, 2**24 - 3, 2**24, 2**31, 2**53, 2**63, 10**30, 10**400)
REAL = (0, -1.0, 1e-300, 1e-9, 0.5, 1.0, 1000.0, 2.0**24, 1e30, 1e308, float("inf"), float("nan"))
OTHER: tuple[object, ...] = (
    None,
    "",
    "x" * 20_000,
    [],
    {},
    [1] * 1000,
    True,
    "float64",
    "i2v",
    ["x"] * 50_000,
    [["a"]],
)


def hostile_values(value: object, dice: random.Random) -> object:
    """Another value for a field: mostly a number of its kind, sometimes anything."""
    if dice.random() < 0.15:
        return dice.choice(OTHER)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{**LEVEL, "name": f"l{n}", "patch": dice.choice(WHOLE)} for n in range(dice.choice((0, 1, 2, 20_000)))]
    if isinstance(value, list):
        return [dice.choice(WHOLE) for _ in value]
    return dice.choice(REAL if isinstance(value, float) else WHOLE if isinstance(value, int) else OTHER)


def mutate(document: Document, dice: random.Random) -> Document:
    """A document with one to four other values."""
    names = dice.sample(sorted(document), min(len(document), dice.choice((1, 1, 2, 3, 4))))
    return document | {name: hostile_values(document[name], dice) for name in names}


@dataclass(frozen=True, kw_only=True)
class HostileModel:
    """The files of a model folder: a card, or a diffusers folder; `changed` is the file with hostile values."""

    files: dict[str, Document]
    changed: str

    def write(self, folder: Path) -> None:
        for name, document in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(document))
        for part in ("transformer", "vae"):
            if (folder / part).is_dir():
                (folder / part / "w.safetensors").write_bytes(WEIGHTS)

    def __str__(self) -> str:
        good, bad = FILES[self.changed], self.files[self.changed]
        return f"{self.changed}: " + ", ".join(f"{key}={str(bad[key])[:40]}" for key in bad if bad[key] != good[key])


def hostile_models(count: int, seed: int) -> Iterator[HostileModel]:
    """Half of them are cards, the others diffusers folders."""
    dice = random.Random(seed)
    stock = [name for name in FILES if name != "onestory.json"]
    for number in range(count):
        changed = "onestory.json" if number % 2 else dice.choice(stock)
        files = {name: FILES[name] for name in (stock if changed in stock else [changed])}
        yield HostileModel(files={**files, changed: mutate(FILES[changed], dice)}, changed=changed)


def plan_with(model: HostileModel, folder: Path) -> str:
    """Read a model and plan a story with it: the codes of the errors, or "" if it is accepted.

    Raises:
        Exception: what no reader may raise; TimeoutError after two seconds and MemoryError above 500 MB.
    """
    model.write(folder / "model")
    try:
        with bounded():
            story, _ = read_story(STORY.encode(), str(folder / "film.story.yaml"))
            plan_story(story)
    except OnestoryError as fault:
        return " ".join(sorted({item.code for item in fault.diagnostics}))
    return ""


@contextmanager
def bounded(seconds: float = MAX_SECONDS, bytes: int = MAX_BYTES) -> Iterator[None]:
    """Limit the processor time and the additional memory of a block. Other systems than Linux have no such limits."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + bytes, limits[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGVTALRM, before)


def attack(
    count: int, seed: int, folder: Path, check: Callable[[HostileModel, Path], str] = plan_with
) -> Iterator[tuple[HostileModel, str]]:
    """The models that were not refused by a code, and not accepted: with what was raised."""
    for number, model in enumerate(hostile_models(count, seed)):
        place = folder / str(number % 8)
        shutil.rmtree(place, ignore_errors=True)
        try:
            check(model, place)
        except Exception as fault:
            yield model, f"{type(fault).__name__}: {str(fault)[:200]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, found = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        for model, fault in attack(options.count, options.seed, Path(folder)):
            found += 1
            sys.stdout.write(f"{model} -> {fault}\n")
    sys.stdout.write(f"{options.count} models, {found} found, {time.monotonic() - began:.0f} s\n")
    return int(found > 0)


if __name__ == "__main__":
    raise SystemExit(main())
