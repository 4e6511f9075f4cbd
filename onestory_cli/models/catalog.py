"""The catalogue: what `model:` of a story can name, and the ModelSpec of each. No torch here, no network.

A name of the table, a hub id (org/name), a folder (with our card, or a stock diffusers one) or one file of weights.
The embedded model and the bases that people own take one way: they differ in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.memory.levels import LEVELS, Level
from onestory_cli.models.bases import BASES
from onestory_cli.models.cards import read_json_map, validate_spec
from onestory_cli.models.folder import is_stock, read_stock, row_of_hub
from onestory_cli.models.hub import cached_snapshot, is_repo
from onestory_cli.models.single_file import is_weights_file, row_of_file
from onestory_cli.models.spec import SCHEDULERS, ModelSpec

__all__ = [
    "CARD",
    "CATALOG",
    "EMBEDDED",
    "SCHEDULERS",
    "ModelSpec",
    "find",
    "find_recorded",
    "is_model",
    "is_repo",
    "read_card",
]

WEIGHTS = Path(__file__).parent / "weights"
EMBEDDED: dict[str, Path] = {"storyworld": WEIGHTS / "storyworld"}
CATALOG: Mapping[str, Path | ModelSpec] = {**EMBEDDED, **BASES}
CARD = "onestory.json"  # beside model_index.json in a model folder: the fields of its ModelSpec
_NO_FIELDS = ("base", "adapter", "transformer", "transformer_2", "loras", "fitting")
OWN_BASE = "."  # of a card: the folder's own parts, read as a stock diffusers folder
# What an adapter changes in a base whose card does not say otherwise.
WITH_ADAPTER: dict[str, Any] = {"levels": LEVELS, "policy": "adaptive", "memory_frames": 6, "budget": 1.0}


def find(model: str, beside: Path | None = None) -> ModelSpec:
    """The spec of what `model:` names; a relative path is looked up in `beside` first.

    Raises:
        OnestoryError: M501 for a name that nothing answers to, M502 for a folder or file that is no model, M509 for a
            hub id that is not fetched and in no row, M511 for pickled weights.
    """
    if model in EMBEDDED:
        return read_card(EMBEDDED[model], name=model)
    if model in BASES:
        return _with_base(BASES[model])
    for path in ((beside or Path()) / model, Path(model)):
        if path.is_dir() or is_weights_file(path):
            return _read(path, name=model)
    if is_repo(model):
        return _of_hub(model)
    raise OnestoryError(
        "M501",
        f'no model "{shorten(model)}" in the catalogue, and no such folder or file',
        help=f"{hint} {_NAMES}" if (hint := did_you_mean(model, CATALOG)) else _NAMES,
    )


_NAMES = f"`onestory models` lists the names; a folder must hold model_index.json or {CARD}"


def is_model(folder: Path) -> bool:
    """Whether a folder says that it is a model, by our card or as a diffusers pipeline."""
    return (folder / CARD).is_file() or is_stock(folder)


def find_recorded(name: str, path: Path) -> ModelSpec:
    """The spec of a model that was found before under `name`, at `path` where it was a folder or file."""
    if name in CATALOG or (is_repo(name) and not path.exists()):
        return find(name)
    return _read(path, name=name)


def _with_base(row: ModelSpec) -> ModelSpec:
    """A row with the folder of its weights, where they are in the hub's cache."""
    return replace(row, base=str(cached_snapshot(row.hub) or ""))


def _of_hub(repo: str) -> ModelSpec:
    if row := row_of_hub(repo):
        return replace(_with_base(row), name=repo)
    folder = cached_snapshot(repo)
    if folder is None:
        raise not_downloaded(repo, repo)
    if (folder / CARD).is_file():
        return replace(read_card(folder, name=repo), path="", hub=repo)
    return read_stock(folder, name=repo, hub=repo)


def not_downloaded(name: str, repo: str, lacks: str = "") -> OnestoryError:
    """M509: the weights of a model are still to be fetched, all or the part that `lacks`."""
    return OnestoryError(
        "M509",
        f'the weights of "{name}" are not on this machine' + (f": {lacks} is missing" if lacks else ""),
        help=f"`onestory models fetch {repo}` gets them",
        exit=ExitCode.MACHINE,
    )


def _read(path: Path, *, name: str) -> ModelSpec:
    if path.is_file():
        return replace(_with_base(row_of_file(path)), name=name)
    if (path / CARD).is_file() or not is_stock(path):
        return read_card(path, name=name)
    return read_stock(path, name=name)


def read_card(folder: Path, *, name: str) -> ModelSpec:
    """The ModelSpec that a model folder's card states: all of it, or with `base` what differs from that model's.

    Raises:
        OnestoryError: M502 without a card or with one that cannot be used, and all that `find` says of the base.
    """
    try:
        card = read_json_map(folder / CARD)
        fields = {key: value for key, value in card.items() if key not in _NO_FIELDS}
        fields |= {"levels": tuple(Level(**row) for row in card["levels"])} if card.get("levels") else {}
        fields |= {"words": tuple(card["words"]) if card.get("words") else None}
        if "base" in card:
            return validate_spec(_on_base(folder, card, {**fields, "name": name, "path": str(folder)}))
        fields = {"levels": LEVELS, **fields, "name": name, "base": str(folder), "adapter": str(folder / "adapter")}
        return validate_spec(ModelSpec(**{**fields, "path": str(folder)}))
    except FileNotFoundError as fault:
        raise OnestoryError(
            "M502",
            f'"{folder}" is not a onestory model folder: {CARD} is missing',
            help="name a folder that `onestory train` or diffusers wrote, or a model of `onestory models`",
            exit=ExitCode.MACHINE,
        ) from fault
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise OnestoryError(
            "M502",
            f'"{shorten(folder / CARD, 200)}" cannot be used: {shorten(fault, 200)}',
            help="write it again with `onestory train`",
            exit=ExitCode.MACHINE,
        ) from fault


def _on_base(folder: Path, card: Mapping[str, Any], fields: dict[str, Any]) -> ModelSpec:
    """The base that a card names, with the card's fields, its adapter if there is one, and its single files."""
    base = read_stock(folder, name=OWN_BASE) if card["base"] == OWN_BASE else find(card["base"], beside=folder)
    adapter = folder / "adapter"
    if adapter.is_dir():
        fields = {**WITH_ADAPTER, **fields, "adapter": str(adapter)}
    for key, field in (("transformer", "transformer_file"), ("transformer_2", "transformer_2_file")):
        if key in card:
            fields[field] = str(folder / card[key])
    return replace(base, **fields)
