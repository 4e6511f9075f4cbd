"""Every function that opens a file of unknown origin. The tests give them files that block, the fuzzers bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from onestory_cli.batch.event_log import EventLog
from onestory_cli.curation.caption_files import FileCaptioner
from onestory_cli.curation.captioners import read_prompts
from onestory_cli.curation.edits import read_edits
from onestory_cli.curation.recipe import CaptionSettings, read_curate_recipe
from onestory_cli.curation.videos import find_videos
from onestory_cli.evaluation.compare import read_other
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.folder import missing_parts, read_shards
from onestory_cli.models.licences import accepted, licence_of
from onestory_cli.models.single_file import row_of_file
from onestory_cli.models.weights_header import read_header
from onestory_cli.planning.assets import AssetReader
from onestory_cli.report.scores import read_scores
from onestory_cli.store.checksummed_json import dump_checksummed
from onestory_cli.store.disk import has_digest
from onestory_cli.store.partials import read_partial
from onestory_cli.store.record import Record
from onestory_cli.store.recovery import recover
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState, read_state
from onestory_cli.store.takes import Take, read_take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.load import read_bytes
from onestory_cli.training.adapter.manifest import read_manifest
from onestory_cli.training.adapter.recipe import is_adapter_recipe, read_adapter_recipe
from onestory_cli.training.recipe_reader import read_recipe
from onestory_cli.utils.digests import DigestCache
from onestory_cli.utils.untrusted import read_json_map, read_yaml
from tests.films import three_shots


def _lock(folder: Path) -> None:
    with lock_run(Run(folder)):
        pass


def _sealed(file: Path) -> bytes:
    """The JSON object in a file with a checksum that is right: a forger can write that."""
    return dump_checksummed({**read_json_map(file), **({"format": 1} if file.name == "run.json" else {})})


def _lora(file: Path) -> object:
    from onestory_cli.models.lora import read_lora

    return read_lora(file, MODULES, [f"{name}.weight" for name in MODULES])


def _lora_settings(file: Path) -> object:
    from safetensors.numpy import save_file

    down, up = np.ones((2, 4), np.float32), np.ones((4, 2), np.float32)
    save_file({"a.lora_A.weight": down, "a.lora_B.weight": up}, file.with_name("ink.safetensors"))
    return _lora(file.with_name("ink.safetensors"))


def _adapter(folder: Path) -> object:
    from onestory_cli.models.adapter import read_config, read_weights

    for read in (read_config, lambda path: read_weights(path, "selector")):
        try:
            read(folder)
        except (ValueError, OSError) as fault:  # `reading_weights` makes M503 of them
            last = fault
    raise last


MODULES = ("a", "blocks.0.attn1.to_q")

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
    "sealed run.json": ("run.json", lambda file: RunState.from_bytes(_sealed(file))),
    "sealed record": ("record.json", lambda file: Record.from_bytes(_sealed(file))),
    "latents": ("latents.safetensors", lambda file: Take(shot="a", folder=file.parent, record=None).shape),
    "LoRA": ("ink.safetensors", lambda file: _lora(file)),
    "settings of a LoRA": ("adapter_config.json", lambda file: _lora_settings(file)),
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
UNCODED = {
    "yaml",
    "header of weights",
    "index of shards",
    "config of an adapter",
    "weights of an adapter",
    "sealed run.json",
    "sealed record",
    "partial",
    "latents",
    "LoRA",
    "settings of a LoRA",
}

# What each fuzzer attacks.
MODEL = (
    "model card",
    "model folder",
    "parts of a model",
    "model file",
    "GGUF file",
    "header of weights",
    "index of shards",
    "config of an adapter",
    "weights of an adapter",
    "model card in Markdown",
    "accepted licences",
)
RUN = (
    "run.json",
    "sealed run.json",
    "sealed record",
    "lock",
    "event log",
    "event log of another process",
    "record",
    "partial",
    "latents",
)
CURATE = (
    "curation recipe",
    "edits",
    "prompt",
    "list of videos",
    "cache of digests",
    "captions in JSON",
    "captions in JSON lines",
    "captions in CSV",
    "captions in SRT",
)
LORA = ("LoRA", "settings of a LoRA")
