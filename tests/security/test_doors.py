"""Every function that opens a file of unknown origin refuses files that block, never end, nest deeply or hold junk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onestory_cli.batch.event_log import EventLog
from onestory_cli.curation.caption_files import FileCaptioner
from onestory_cli.curation.captioners import read_prompts
from onestory_cli.curation.edits import read_edits
from onestory_cli.curation.recipe import CaptionSettings, read_curate_recipe
from onestory_cli.curation.videos import DigestCache, find_videos
from onestory_cli.errors import OnestoryError
from onestory_cli.evaluation.compare import read_other
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.folder import missing_parts, read_shards
from onestory_cli.models.licences import accepted, licence_of
from onestory_cli.models.single_file import row_of_file
from onestory_cli.models.weights_header import read_header
from onestory_cli.planning.assets import AssetReader
from onestory_cli.report.scores import read_scores
from onestory_cli.store.disk import has_digest
from onestory_cli.store.partials import read_partial
from onestory_cli.store.recovery import recover
from onestory_cli.store.run import Run
from onestory_cli.store.state import read_state
from onestory_cli.store.takes import read_take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.load import read_bytes
from onestory_cli.training.adapter.manifest import read_manifest
from onestory_cli.training.adapter.recipe import is_adapter_recipe, read_adapter_recipe
from onestory_cli.training.recipe import read_recipe
from onestory_cli.utils.untrusted import read_yaml
from tests.films import three_shots

MAX_SECONDS = 2
GIANT = 2**41  # bytes, none of them on the disk

FILES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": os.mkdir,
    "giant": lambda path: (path.touch(), os.truncate(path, GIANT)),
    "deep": lambda path: path.write_text("[" * 10**6),
    "deep map": lambda path: path.write_text('{"a":' * 10**5),
    "null": lambda path: path.write_text("null\n"),
    "number": lambda path: path.write_text("3"),
    "list": lambda path: path.write_text('[["a"], 1]'),
    "map": lambda path: path.write_text('{"accepted": 1, "weight_map": [1], "selector": 0, "license": [1]}'),
    "long number": lambda path: path.write_text("1" + ":59" * 10**5),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "no end": lambda path: path.write_bytes((2**40).to_bytes(8, "little") + b"{"),
}


def _lock(folder: Path) -> None:
    with lock_run(Run(folder)):
        pass


def _adapter(folder: Path) -> object:
    from onestory_cli.models.adapter import read_config, read_weights

    for read in (read_config, lambda path: read_weights(path, "selector")):
        try:
            read(folder)
        except (ValueError, OSError) as fault:  # `reading_weights` makes M503 of them
            last = fault
    raise last


# A name of the file in a folder, and what reads it. Returning is as good as refusing.
DOORS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "story": ("film.story.yaml", lambda file: read_bytes(file)),
    "asset": ("fox.png", lambda file: AssetReader(file.parent, {}).read("fox.png", three_shots().story.places)),  # type: ignore[arg-type]
    "yaml": ("a.yaml", read_yaml),
    "model card": ("onestory.json", lambda file: find(str(file.parent))),
    "model folder": ("model_index.json", lambda file: find(str(file.parent))),
    "parts of a model": ("model_index.json", lambda file: missing_parts(file.parent)),
    "model file": ("w.safetensors", row_of_file),
    "GGUF file": ("w.gguf", row_of_file),
    "fingerprint": ("w.safetensors", lambda file: fingerprint(str(file.parent))),
    "header of weights": ("w.safetensors", read_header),
    "index of shards": ("a.safetensors.index.json", read_shards),
    "config of an adapter": ("config.json", lambda file: _adapter(file.parent)),
    "weights of an adapter": ("adapter.safetensors", lambda file: _adapter(file.parent)),
    "model card in Markdown": ("README.md", lambda file: licence_of(file.parent)),
    "accepted licences": ("licences.json", accepted),
    "run.json": ("run.json", lambda file: read_state(file.parent)),
    "lock": ("lock", lambda file: _lock(file.parent)),
    "event log": ("events.jsonl", lambda file: recover(file.parent, Run(file.parent).disk)),
    "event log of another process": ("events.jsonl", lambda file: list(EventLog(file.parent).new())),
    "record": ("record.json", lambda file: read_take(file.parent)),
    "partial": ("partial.safetensors", read_partial),
    "digest": ("film.mp4", lambda file: has_digest(file, "0")),
    "scores": ("scores.json", lambda file: read_scores(file, SimpleNamespace(run=file.parent))),  # type: ignore[arg-type]
    "earlier result": ("result.json", read_other),
    "training recipe": ("recipe.yaml", read_recipe),
    "kind of a recipe": ("recipe.yaml", is_adapter_recipe),
    "adapter recipe": ("recipe.yaml", read_adapter_recipe),
    "manifest": ("shots.jsonl", read_manifest),
    "curation recipe": ("recipe.yaml", read_curate_recipe),
    "edits": ("captions.yaml", lambda file: read_edits(file.parent)),
    "prompt": ("p.txt", lambda file: read_prompts(CaptionSettings(prompt="p.txt"), file.parent)),
    "list of videos": ("videos.txt", lambda file: find_videos([str(file)])),
    "cache of digests": ("digests.json", lambda file: DigestCache(file)),
    "captions in JSON": ("c.json", FileCaptioner.read),
    "captions in JSON lines": ("c.jsonl", FileCaptioner.read),
    "captions in CSV": ("c.csv", FileCaptioner.read),
    "captions in SRT": ("c.srt", FileCaptioner.read),
}

# Readers that raise ValueError and OSError; their callers convert these to coded errors.
UNCODED = {"yaml", "header of weights", "index of shards", "partial", "config of an adapter", "weights of an adapter"}


@pytest.fixture
def time_limit() -> Iterator[None]:
    """Fail a test that takes longer than MAX_SECONDS, even if it waits for a pipe."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"it took more than {MAX_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("time_limit")
@pytest.mark.parametrize("door", DOORS)
def test_no_file_blocks_or_breaks_a_reader(door: str, tmp_path: Path) -> None:
    name, read = DOORS[door]
    uncoded = {}
    for kind, make in FILES.items():
        folder = tmp_path / kind
        folder.mkdir()
        make(folder / name)
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
        try:
            read(folder / name)
        except OnestoryError:
            pass
        except (ValueError, OSError) as fault:
            uncoded[kind] = str(fault)[:200]
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert uncoded == {} or door in UNCODED
