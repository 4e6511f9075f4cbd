"""The catalog: what `model:` of a story can name, and the ModelSpec of each. No torch here, no network.

`model:` is a name of the table, a hub id (org/name), a folder (with an onestory card, or as diffusers saves it) or one
weight file. The embedded model and the Wan bases take the same path: they are rows of one table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.memory.levels import LEVELS, Level
from onestory_cli.models.bases import BASES
from onestory_cli.models.cards import validate_spec
from onestory_cli.models.external import external_spec
from onestory_cli.models.folder import is_stock, read_stock, row_of_hub
from onestory_cli.models.hub import cached_file, cached_snapshot, is_repo
from onestory_cli.models.single_file import is_weights_file, row_of_file
from onestory_cli.models.spec import ModelSpec
from onestory_cli.utils.plugins import PluginTable
from onestory_cli.utils.system import user_folder
from onestory_cli.utils.untrusted import read_json_map, read_yaml

__all__ = [
    "CARD",
    "CATALOG",
    "EMBEDDED",
    "ModelSpec",
    "find",
    "find_recorded",
    "is_model",
    "is_repo",
    "read_card",
]

FILE_VARIABLE = "ONESTORY_MODELS"  # another path of the file, for machines without a home folder
WEIGHTS = Path(__file__).parent / "weights"
EMBEDDED: dict[str, Path] = {name: WEIGHTS / name for name in ("storyworld", "storyworld-quality")}
# A plug-in is a ModelSpec, the path of a model folder, or a function without arguments that returns one of them.
CATALOG: PluginTable[Path | ModelSpec | Callable[[], Path | ModelSpec]] = PluginTable(
    "onestory.models", {**EMBEDDED, **BASES}
)
CARD = "onestory.json"  # next to model_index.json in a model folder: the fields of its ModelSpec
# Keys that a card may hold and that are not fields of a spec, or that a card must not set.
_IGNORED_KEYS = (
    "base",
    "adapter",
    "transformer",
    "transformer_2",
    "loras",
    "fitting",
    "files",
    "execution",
    "external",
)
_CARDS: ContextVar[frozenset[Path]] = ContextVar("cards", default=frozenset())  # whose base is being read
OWN_BASE = "."  # `base` of a card: the folder's own parts, read as a stock diffusers folder
# Defaults that an adapter changes in its base; the card can override them.
WITH_ADAPTER: dict[str, Any] = {
    "levels": LEVELS,
    "policy": "adaptive",
    "memory_frames": 6,
    "budget": 1.0,
    "isolated_context": False,
}


def user_models_file() -> Path:
    """Where the named models of this user are stored."""
    if path := os.environ.get(FILE_VARIABLE):
        return Path(path)
    return user_folder() / "models.yaml"


def read_user_models() -> dict[str, dict[str, Any]]:
    """The sources of external models by name; {} without a file.

    Raises:
        OnestoryError: M551 if the file is not a map of names.
    """
    path = user_models_file()
    if not path.exists():
        return {}
    try:
        rows = read_yaml(path) or {}
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            raise ValueError("it is not a map of names to models")
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or str(fault)
        help = "write `NAME: {workflow: FILE, server: URL}` for each model"
        raise OnestoryError("M551", f'"{path}" cannot be used: {why}', help=help, exit=ExitCode.MACHINE) from fault
    return {str(name): row for name, row in rows.items()}


def find(model: str, relative_to: Path | None = None) -> ModelSpec:
    """The spec of what `model:` names; a relative path is looked up in the folder `relative_to` first.

    Raises:
        OnestoryError: M501 for an unknown name, M502 for a folder or file that is not a model, M509 for a hub id that
            is not downloaded and not in the catalog, M511 for pickled weights.
    """
    if model in EMBEDDED:
        return read_card(EMBEDDED[model], name=model)
    if model in BASES:
        return _with_base(BASES[model])
    if model in CATALOG:
        return _of_plugin(model)
    for path in ((relative_to or Path()) / model, Path(model)):
        if path.is_dir() or is_weights_file(path):
            return _read(path, name=model)
    if user_model := read_user_models().get(model):
        return external_spec(user_model, name=model, folder=user_models_file().parent)
    if is_repo(model):
        return _of_hub(model)
    raise OnestoryError(
        "M501",
        f'unknown model "{shorten(model)}": not in the catalog, and no such folder or file',
        help=f"{hint} {_NAMES}" if (hint := did_you_mean(model, CATALOG)) else _NAMES,
    )


_NAMES = f"`onestory models` lists the names; a model folder contains model_index.json or {CARD}"


def is_model(folder: Path) -> bool:
    """Whether a folder holds an onestory card or a diffusers pipeline."""
    return (folder / CARD).is_file() or is_stock(folder)


def find_recorded(name: str, path: Path) -> ModelSpec:
    """The spec of a model recorded in a run: by `name`, or at `path` if it was a folder or file."""
    if name in CATALOG or (is_repo(name) and not path.exists()):
        return find(name)
    return _read(path, name=name)


def _of_plugin(model: str) -> ModelSpec:
    value = CATALOG[model]
    found = value() if callable(value) else value
    return _with_base(replace(found, name=model)) if isinstance(found, ModelSpec) else _read(Path(found), name=model)


def _with_base(row: ModelSpec) -> ModelSpec:
    """A row with the folder of its weights and its LoRA files, if the hub's cache holds them."""
    loras = tuple(replace(item, file=cached_file(item.hub, item.hub_file)) for item in row.files.loras)
    return row.with_fields(base=str(cached_snapshot(row.files.hub) or ""), loras=loras)


def _of_hub(repo: str) -> ModelSpec:
    if row := row_of_hub(repo):
        return replace(_with_base(row), name=repo)
    folder = cached_snapshot(repo)
    if folder is None:
        raise not_downloaded(repo, repo)
    if (folder / CARD).is_file():
        return read_card(folder, name=repo).with_fields(path="", hub=repo)
    return read_stock(folder, name=repo, hub=repo)


def not_downloaded(name: str, repo: str, missing: str = "") -> OnestoryError:
    """M509: the weights of a model are not downloaded; `missing` names a part if only some are."""
    return OnestoryError(
        "M509",
        f'the weights of "{name}" are not on this machine' + (f": {missing} is missing" if missing else ""),
        help=f"run `onestory models fetch {repo}`",
        exit=ExitCode.MACHINE,
    )


def _read(path: Path, *, name: str) -> ModelSpec:
    if path.is_file():
        return replace(_with_base(row_of_file(path)), name=name)
    if (path / CARD).is_file() or not is_stock(path):
        return read_card(path, name=name)
    return read_stock(path, name=name)


def read_card(folder: Path, *, name: str) -> ModelSpec:
    """The ModelSpec of a model folder's card: complete, or with `base` the differences from that model.

    Raises:
        OnestoryError: M502 for a missing or invalid card, and the errors of `find` for the base.
    """
    try:
        card = read_json_map(folder / CARD)
        fields = {key: value for key, value in card.items() if key not in _IGNORED_KEYS}
        fields |= {"levels": tuple(Level(**row) for row in card["levels"])} if card.get("levels") else {}
        fields |= {"words": tuple(card["words"])} if card.get("words") else {}
        fields |= {"phrases": tuple(card["phrases"])} if card.get("phrases") is not None else {}
        if "base" in card:
            return validate_spec(_on_base(folder, card, {**fields, "name": name, "path": str(folder)}))
        fields = {"levels": LEVELS, **fields, "name": name, "base": str(folder), "adapter": str(folder / "adapter")}
        return validate_spec(ModelSpec.from_fields(**{**fields, "path": str(folder)}))
    except FileNotFoundError as fault:
        raise OnestoryError(
            "M502",
            f'"{folder}" is not an onestory model folder: {CARD} is missing',
            help="name a folder written by `onestory train` or diffusers, or a model of `onestory models`",
            exit=ExitCode.MACHINE,
        ) from fault
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise OnestoryError(
            "M502",
            f'invalid model card "{shorten(folder / CARD, 200)}": {shorten(fault, 200)}',
            help="correct the card, or write it again with `onestory train`",
            exit=ExitCode.MACHINE,
        ) from fault


def _on_base(folder: Path, card: Mapping[str, Any], fields: dict[str, Any]) -> ModelSpec:
    """The base that a card names, changed by the card's fields, with the folder's adapter and single files."""
    outer = _CARDS.get()
    if folder.resolve() in outer:
        raise ValueError("its base refers back to it")
    token = _CARDS.set(outer | {folder.resolve()})
    try:
        base = read_stock(folder, name=OWN_BASE) if card["base"] == OWN_BASE else find(card["base"], relative_to=folder)
    finally:
        _CARDS.reset(token)
    adapter = folder / "adapter"
    if adapter.is_dir():
        fields = {**WITH_ADAPTER, **fields, "adapter": str(adapter)}
    for key, field in (("transformer", "transformer_file"), ("transformer_2", "transformer_2_file")):
        if key in card:
            fields[field] = str(folder / card[key])
    return base.with_fields(**fields)
