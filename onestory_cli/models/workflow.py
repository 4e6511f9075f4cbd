"""A ComfyUI workflow in API format: its nodes, and the inputs that onestory sets, named by the titles of nodes.

A title `onestory:caption` binds one input; `onestory:width, height, frames` binds several of one node;
`onestory:seed=noise_seed` names the input of the node. No torch here, no network.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.utils.untrusted import read_json_map

PREFIX = "onestory:"
CARD_KEY = "onestory"  # in a workflow file: the card; it is not sent to the server
OUTPUT = "output"
MAX_REFERENCES = 8
REFERENCES = tuple(f"reference_{number}" for number in range(1, MAX_REFERENCES + 1))
PICTURES = ("first_frame", *REFERENCES)
# What a title can bind -> the names of node inputs that are looked for, the first one that the node has.
INPUT_NAMES: dict[str, tuple[str, ...]] = {
    "caption": ("text", "prompt", "positive_prompt", "value", "string"),
    "negative": ("text", "negative_prompt", "prompt", "value", "string"),
    "seed": ("seed", "noise_seed", "value"),
    "frames": ("length", "num_frames", "frames", "frames_number", "batch_size", "amount", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "fps": ("fps", "frame_rate", "value"),
    "steps": ("steps", "value"),
    "guidance": ("cfg", "guidance", "value"),
    **dict.fromkeys(PICTURES, ("image",)),
}
NAMES = (*INPUT_NAMES, OUTPUT)
REQUIRED = ("caption", "seed", OUTPUT)
MAX_NODES = 2000
_ITEM = re.compile(r"\s*([a-z_0-9]+)\s*(?:=\s*([A-Za-z_0-9.]+)\s*)?")

Nodes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Binding:
    """An input that onestory sets: `name` of the title, the node and the input of the node; "" for the output."""

    name: str
    node: str
    input: str = ""


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow: its nodes by id, without the card, and its bindings by name."""

    path: str
    nodes: Nodes
    bindings: Mapping[str, Binding]
    card: Mapping[str, Any]

    @property
    def output(self) -> str:
        """The id of the node whose result is the shot."""
        return self.bindings[OUTPUT].node

    @property
    def references(self) -> int:
        """The number of reference pictures that it takes."""
        return sum(name in self.bindings for name in REFERENCES)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of its nodes, each once."""
        return tuple(dict.fromkeys(str(node["class_type"]) for node in self.nodes.values()))

    def class_of(self, node: str) -> str:
        """The class of a node; "" if the workflow does not have it, such as a node that a group node made."""
        return str(self.nodes[node]["class_type"]) if node in self.nodes else ""

    def label(self, node: str) -> str:
        """The title of a node for people, or its class if the title binds an input."""
        title = _title(self.nodes.get(node, {}))
        return title if title and not title.startswith(PREFIX) else self.class_of(node) or f"node {node}"

    def value(self, name: str) -> Any:
        """The value that the workflow itself has for a bound input; None if `name` is not bound."""
        binding = self.bindings.get(name)
        return self.nodes[binding.node]["inputs"].get(binding.input) if binding else None

    @property
    def identity(self) -> str:
        """The SHA-256 of the workflow without titles and without the values of bound inputs."""
        bare = {
            id: {"class_type": node["class_type"], "inputs": dict(node["inputs"])} for id, node in self.nodes.items()
        }
        for binding in self.bindings.values():
            bare[binding.node]["inputs"].pop(binding.input, None)
        bound = sorted((item.name, item.node, item.input) for item in self.bindings.values())
        return hashlib.sha256(json.dumps([bare, bound], sort_keys=True).encode()).hexdigest()

    def prompt(self, values: Mapping[str, Any], *, optional: Mapping[str, Collection[str]]) -> dict[str, Any]:
        """The nodes with `values` at the bound inputs.

        Picture inputs without a value are removed with everything that needs them. `optional` maps a node class to its
        optional inputs, which may be left out.
        """
        nodes: dict[str, Any] = copy.deepcopy({id: dict(node) for id, node in self.nodes.items()})
        for name, binding in self.bindings.items():
            if name in values:
                nodes[binding.node]["inputs"][binding.input] = values[name]
        missing = [item.node for name, item in self.bindings.items() if name in PICTURES and name not in values]
        _remove(nodes, missing, optional)
        return nodes


def read_workflow(path: Path) -> Workflow:
    """Read a workflow file.

    Raises:
        OnestoryError: M551 if it is not in API format, or with the first problem of its titles.
    """
    try:
        document = read_json_map(path)
        nodes = _nodes({key: value for key, value in document.items() if key != CARD_KEY})
        card = document.get(CARD_KEY, {})
        if not isinstance(card, dict):
            raise ValueError(f'its card, "{CARD_KEY}", is not a map')
    except (OSError, ValueError) as fault:
        why = getattr(fault, "strerror", None) or str(fault)
        raise invalid(path, why, "in ComfyUI, choose Workflow > Export (API), and name that file") from fault
    bindings = dict(_bindings(path, nodes))
    if missing := [name for name in REQUIRED if name not in bindings]:
        raise invalid(
            path,
            f'no node has the title "{PREFIX}{missing[0]}"',
            f"set the title of the node that takes the {missing[0]}, then export the workflow again"
            if missing[0] != OUTPUT
            else "set the title of the node that saves the video or the pictures, then export the workflow again",
        )
    return Workflow(path=str(path), nodes=nodes, bindings=bindings, card=card)


def _nodes(document: Mapping[str, Any]) -> Nodes:
    """The nodes of a document in API format.

    Raises:
        ValueError: it has another format.
    """
    if "nodes" in document and "links" in document:
        raise ValueError("it is in the format of the editor, not in API format")
    if not document or len(document) > MAX_NODES:
        raise ValueError(f"it has {len(document)} nodes")
    for id, node in document.items():
        valid = isinstance(node, dict) and isinstance(node.get("class_type"), str)
        if not valid or not isinstance(node.get("inputs"), dict):
            raise ValueError(f'it is not in API format: node "{shorten(id)}" has no class_type or no inputs')
    return document


def _bindings(path: Path, nodes: Nodes) -> Iterator[tuple[str, Binding]]:
    seen: dict[str, str] = {}
    for id, node in nodes.items():
        title = _title(node)
        if not title.startswith(PREFIX):
            continue
        for item in title.removeprefix(PREFIX).split(","):
            name, key = _item(path, item, title)
            if name in seen:
                raise invalid(
                    path, f'two nodes are bound to "{name}": {seen[name]} and {id}', "change one of the titles"
                )
            seen[name] = id
            yield name, Binding(name=name, node=id, input=_input(path, id, node, name, key))


def _title(node: Mapping[str, Any]) -> str:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return title.strip() if isinstance(title, str) else ""


def _item(path: Path, item: str, title: str) -> tuple[str, str]:
    match = _ITEM.fullmatch(item)
    name = match[1] if match else item.strip()
    if match is None or name not in NAMES:
        help = did_you_mean(name, NAMES) or f"the names are {', '.join(NAMES)}"
        raise invalid(path, f'the title "{shorten(title)}" has the unknown name "{shorten(name)}"', help)
    return name, match[2] or ""


def _input(path: Path, id: str, node: Mapping[str, Any], name: str, key: str) -> str:
    """The input of a node that a name binds: `key`, or the first usual one that the node has."""
    if name == OUTPUT:
        return ""
    inputs, kind = node["inputs"], shorten(node["class_type"])
    found = key or next((item for item in INPUT_NAMES[name] if item in inputs), "")
    if found not in inputs:
        help = f"write the input after the name: {PREFIX}{name}=INPUT; its inputs are {', '.join(inputs) or 'none'}"
        raise invalid(path, f'node {id} ({kind}) has no input for "{name}"', help)
    if isinstance(inputs[found], list):
        help = "set the title of the node that gives the value instead, such as a primitive node"
        raise invalid(path, f'input "{found}" of node {id} ({kind}) is connected to another node', help)
    return found


def _remove(nodes: dict[str, Any], missing: Collection[str], optional: Mapping[str, Collection[str]]) -> None:
    """Remove nodes, the optional inputs that they fed, and all nodes of which they fed a required input."""
    queue = list(missing)
    while queue:
        gone = queue.pop()
        if nodes.pop(gone, None) is None:
            continue
        for id, node in nodes.items():
            fed = [key for key, value in node["inputs"].items() if isinstance(value, list) and value[:1] == [gone]]
            for key in fed:
                if key in optional.get(node["class_type"], ()):
                    del node["inputs"][key]
                else:
                    queue.append(id)


def invalid(path: Path, why: str, help: str) -> OnestoryError:
    """M551 about a workflow or a card."""
    return OnestoryError("M551", f'"{shorten(path, 200)}" cannot be used: {why}', help=help, exit=ExitCode.FINDINGS)
