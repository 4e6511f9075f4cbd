"""Compare the list of node inputs with ComfyUI's source, without running it:

    python -m tests.external.definitions FOLDER

FOLDER is a checkout of ComfyUI. The definitions are read from the text of `nodes.py` and `comfy_extras/*.py`, if they
are written as `io.Schema`. The others are checked by a running server, see test_real_comfyui.py.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onestory_cli

TYPES = {
    "ClipVision": "CLIP_VISION",
    "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "LatentUpscaleModel": "LATENT_UPSCALE_MODEL",
}
Node = Mapping[str, Any]


def listed() -> dict[str, Node]:
    """The list of the package, without the inputs that only newer versions have."""
    path = Path(onestory_cli.__file__).parent / "external" / "node_inputs.json"
    nodes: dict[str, Node] = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    return nodes


def read_definitions(source: str) -> dict[str, Node]:
    """The node classes that a module defines by schemas, in the form of `known_nodes`."""
    found = {}
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and _name(call.func).lower().endswith("io.schema"):
            keywords = {item.arg: item.value for item in call.keywords}
            id = keywords.get("node_id")
            if isinstance(id, ast.Constant) and all(map(_is_plain, _calls(keywords.get("inputs")))):
                found[id.value] = _node(keywords)
    return found


def _is_plain(call: ast.Call) -> bool:
    """Whether an input has one name: not those that grow or depend on others."""
    function = _name(call.func)
    return function.endswith(".Input") and not function.endswith(("Autogrow.Input", "DynamicCombo.Input"))


def _node(keywords: Mapping[str | None, ast.expr]) -> Node:
    inputs = [_input(item) for item in _calls(keywords.get("inputs"))]
    return {
        "required": {name: kind for name, kind, optional in inputs if not optional},
        "optional": {name: kind for name, kind, optional in inputs if optional},
        "outputs": [_type(item) for item in _calls(keywords.get("outputs"))],
    }


def _calls(items: ast.expr | None) -> Iterator[ast.Call]:
    if isinstance(items, ast.List):
        yield from (item for item in items.elts if isinstance(item, ast.Call))


def _input(call: ast.Call) -> tuple[str, str, bool]:
    """Name, type, and whether it is optional."""
    keywords = {item.arg: item.value for item in call.keywords}
    name, *others = call.args or [keywords["id"]]
    if isinstance(name, ast.Call):  # io.MultiType.Input(io.Float.Input("rate"), [io.Int])
        inner, kind, optional = _input(name)
        more = [_name(item).split(".")[-1].upper() for item in getattr(others[0], "elts", ())]
        return inner, ",".join(sorted([kind, *more])), optional
    optional_value = keywords.get("optional")
    assert isinstance(name, ast.Constant)
    return name.value, _type(call), isinstance(optional_value, ast.Constant) and bool(optional_value.value)


def _type(call: ast.Call) -> str:
    """`io.LatentUpscaleModel.Input(...)` -> LATENT_UPSCALE_MODEL."""
    kind = _name(call.func).split(".")[-2]
    return TYPES.get(kind, kind.upper())


def _name(expression: ast.expr) -> str:
    return ast.unparse(expression)


def differences(definitions: Mapping[str, Node]) -> Iterator[str]:
    """How the list of the package differs from definitions of the same classes."""
    for kind, known in listed().items():
        if kind not in definitions:
            continue
        for group in ("required", "optional", "outputs"):
            found = definitions[kind][group]
            if found != known[group]:
                yield f"{kind}: {group} is {found}, and the list has {known[group]}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.external.definitions", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    definitions: dict[str, Node] = {}
    for path in (folder / "nodes.py", *sorted((folder / "comfy_extras").glob("*.py"))):
        definitions |= read_definitions(path.read_text(encoding="utf-8"))
    checked, found = sorted(listed().keys() & definitions.keys()), list(differences(definitions))
    sys.stdout.write("\n".join([*found, f"{len(checked)} classes checked: {', '.join(checked)}", ""]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
