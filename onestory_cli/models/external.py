"""External models: a ComfyUI workflow on a server, or a command. Their specs, without contacting them.

An external model has no latents: its memory consists of pictures. Its spec describes them as latents with three
channels, red, green and blue, and no reduction of the size.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onestory_cli.errors import OnestoryError, did_you_mean, shorten
from onestory_cli.memory.levels import Level
from onestory_cli.models.bases import SCORER
from onestory_cli.models.cards import validate_spec
from onestory_cli.models.spec import ExternalModel, ModelSpec
from onestory_cli.models.workflow import INPUT_NAMES, MAX_REFERENCES, PICTURES, Workflow, invalid, read_workflow
from onestory_cli.utils.untrusted import read_json_map

DEFAULT_SERVER = "http://127.0.0.1:8188"
CARD_SUFFIX = ".onestory.json"  # wan-vace.json -> wan-vace.onestory.json
PICTURE = Level(name="picture", patch=0)  # costs no tokens
IDENTITY_VERSION = 1  # raise it if the same spec gives other pictures
_NUMBERS = ("width", "height", "frames", "fps", "steps", "guidance")
_CARD_FIELDS = (
    *_NUMBERS,
    "size_multiple",
    "max_frames",
    "temporal_stride",
    "negative",
    "memory_frames",
    "policy",
    "scorer",
    "licence",
    "about",
)
_CARD_KEYS = (*_CARD_FIELDS, "remembers", "references", "from_text")
_REMEMBERS = ("references", "first-frame", "nothing")
_NOT_IDENTITY = ("licence", "about", "policy", "memory_frames", "frames", "width", "height", "steps", "guidance")


def external_spec(source: Mapping[str, Any], *, name: str, folder: Path) -> ModelSpec:
    """The spec of an external model. `source` has the keys of `model:` in a story; paths are relative to `folder`.

    Raises:
        OnestoryError: M551 for an invalid workflow or card.
    """
    if ("workflow" in source) == ("command" in source):
        message = f'the external model "{shorten(name)}" needs either `workflow` or `command`'
        raise OnestoryError("M551", message, help="write one of the two keys")
    build = _of_workflow if "workflow" in source else _of_command
    return build(source, name, folder)


def _of_workflow(source: Mapping[str, Any], name: str, folder: Path) -> ModelSpec:
    path = (folder / str(source["workflow"])).absolute()
    workflow = read_workflow(path)
    card = _card(source.get("card"), folder, default=path.with_suffix(CARD_SUFFIX))
    card = card or _checked(path, dict(workflow.card))
    model = ExternalModel(
        workflow=str(path),
        server=str(source.get("server", DEFAULT_SERVER)).rstrip("/"),
        folder=str(folder.absolute()),
        card=_text(card),
        inputs=tuple(workflow.bindings),
        references=workflow.references,
        identity=_identity(workflow.identity, card),
        remembers=_remembers(path, card, references=workflow.references, first="first_frame" in workflow.bindings),
        from_text=bool(card.get("from_text", True)),
    )
    return _spec(name, path, _with_values(workflow, card), model)


def _of_command(source: Mapping[str, Any], name: str, folder: Path) -> ModelSpec:
    command = source["command"]
    if not isinstance(command, list | tuple) or not command:
        message = f'the command of the external model "{shorten(name)}" is not a list'
        raise OnestoryError("M551", message, help="write the program and its arguments as a list")
    command = tuple(map(str, command))
    path = folder / source["card"] if isinstance(source.get("card"), str) else Path(name)
    card = _card(source.get("card"), folder, default=None)
    references, takes_first = card.get("references", 0), card.get("remembers") == "first-frame"
    values = [key for key in INPUT_NAMES if key not in PICTURES]
    model = ExternalModel(
        command=command,
        folder=str(folder.absolute()),
        card=_text(card),
        inputs=(*values, "first_frame") if takes_first else tuple(values),
        references=references,
        identity=_identity(json.dumps(command), card),
        remembers=_remembers(path, card, references=references, first=takes_first),
        from_text=bool(card.get("from_text", True)),
    )
    return _spec(name, path, card, model)


def source_of(model: ExternalModel) -> dict[str, Any]:
    """The source that `external_spec` makes this model of, with absolute paths and its card, for run.json."""
    card = json.loads(model.card)
    if model.workflow:
        return {"workflow": model.workflow, "server": model.server, "card": card}
    return {"command": list(model.command), "card": card}


def is_loopback(server: str) -> bool:
    """Whether the address of a server is http and on this machine, as a number or as localhost."""
    try:
        parts = urlsplit(server)
        host, _ = parts.hostname or "", parts.port  # a port that is not valid is an error too
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    return local and parts.scheme == "http" and not (parts.username or parts.password)


def require_loopback(server: str) -> None:
    """Refuse a server of another machine.

    Raises:
        OnestoryError: M556.
    """
    if not is_loopback(server):
        raise OnestoryError(
            "M556",
            f'"{shorten(server, 200)}" is not a server on this machine',
            help="use http://127.0.0.1:PORT, or pass `--allow-outside` if you trust the story and the server",
        )


def _card(card: Any, folder: Path, *, default: Path | None) -> dict[str, Any]:
    """The fields of a card: a map, a file, or the file next to the workflow; {} without any."""
    if isinstance(card, Mapping):
        return _checked(Path("card"), dict(card))
    path = folder / card if isinstance(card, str) else default
    if path is None or (not isinstance(card, str) and not path.is_file()):
        return {}
    try:
        return _checked(path, read_json_map(path))
    except (OSError, ValueError) as fault:
        raise invalid(path, getattr(fault, "strerror", None) or str(fault), "correct the card") from fault


def _checked(path: Path, card: dict[str, Any]) -> dict[str, Any]:
    for key in card:
        if key not in _CARD_KEYS:
            help = did_you_mean(key, _CARD_KEYS) or f"a card has the keys {', '.join(_CARD_KEYS)}"
            raise invalid(path, f'its card has the unknown key "{shorten(key)}"', help)
    references = card.get("references", 0)
    if type(references) is not int or not 0 <= references <= MAX_REFERENCES:
        raise invalid(
            path, "`references` of its card is not a number up to 8", "write the number of reference pictures"
        )
    return card


def _remembers(path: Path, card: Mapping[str, Any], *, references: int, first: bool) -> Any:
    """How it remembers: as the card says, or what its inputs allow."""
    possible = {"references": references > 0, "first-frame": first, "nothing": True}
    chosen = card.get("remembers", next(key for key in _REMEMBERS if possible[key]))
    if not possible.get(chosen):
        help = f"use one of {', '.join(key for key in _REMEMBERS if possible[key])}, or add the inputs"
        raise invalid(path, f'it cannot remember by "{shorten(chosen)}"', help)
    return chosen


def _with_values(workflow: Workflow, card: Mapping[str, Any]) -> dict[str, Any]:
    """The card, completed by the values that the workflow itself has at its bound inputs."""
    values = {key: workflow.value(key) for key in (*_NUMBERS, "negative")}
    whole = {key: int(item) if isinstance(item, float) and item.is_integer() else item for key, item in values.items()}
    return {**{key: item for key, item in whole.items() if item is not None}, **card}


def _spec(name: str, path: Path, card: Mapping[str, Any], model: ExternalModel) -> ModelSpec:
    missing = [key for key in ("width", "height", "frames", "fps") if key not in card]
    if missing:
        raise invalid(
            path, f"its card does not say {', '.join(missing)}", "add a card: see `onestory help command-models`"
        )
    fields: dict[str, Any] = {key: card[key] for key in _CARD_FIELDS if key in card}
    fields["guidance"] = float(fields.get("guidance", 1.0))
    memory = {"references": (model.references, "coverage"), "first-frame": (1, "last"), "nothing": (0, "none")}
    frames, policy = memory[model.remembers]
    defaults: dict[str, Any] = {
        "licence": "not stated",
        "about": f"a ComfyUI workflow on {model.server}" if model.workflow else "a command",
        "size_multiple": 16,
        "max_frames": fields["frames"],
        "steps": 1,
        "memory_frames": frames,
        "policy": policy,
        "scorer": SCORER,
    }
    try:
        return validate_spec(
            ModelSpec(
                name=name,
                **{**defaults, **fields},
                scheduler="euler",
                shift=1.0,
                budget=1.0,
                spatial_stride=1,
                latent_channels=3,
                patch=16,
                levels=(PICTURE,),
                expand_timesteps=False,
                external=model,
            )
        )
    except (TypeError, ValueError) as fault:
        raise invalid(path, f"its card is wrong: {shorten(fault, 200)}", "correct the card") from fault


def _identity(source: str, card: Mapping[str, Any]) -> str:
    """A digest of everything that determines what the model generates, as far as it is known here.

    Values that enter the key of each take by themselves are left out.
    """
    known = {key: value for key, value in card.items() if key not in _NOT_IDENTITY}
    return hashlib.sha256(json.dumps([IDENTITY_VERSION, source, known], sort_keys=True).encode()).hexdigest()


def _text(card: Mapping[str, Any]) -> str:
    return json.dumps(card, sort_keys=True)
