"""The inputs of ComfyUI nodes: those of the templates are known without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

from onestory_cli.external.comfyui import ComfyUiRunner, optional_names
from onestory_cli.external.http import ServerError
from onestory_cli.models.workflow import Workflow

FILE = "node_inputs.json"


@cache
def known_nodes() -> Mapping[str, Any]:
    """Class -> "required" and "optional" inputs by name with their types, and "outputs"."""
    text = (files("onestory_cli.external") / FILE).read_text(encoding="utf-8")
    document = json.loads(text)
    for kind, inputs in document["newer_inputs"].items():
        document["nodes"][kind]["optional"] |= inputs
    nodes: Mapping[str, Any] = document["nodes"]
    return nodes


def optional_inputs(workflow: Workflow, server: str) -> dict[str, tuple[str, ...]]:
    """The optional inputs of each class of a workflow. For classes that are not known here, the server is asked.

    Without the server, their inputs count as required.
    """
    nodes = {kind: tuple(node["optional"]) for kind, node in known_nodes().items()}
    if any(kind not in nodes for kind in workflow.classes):
        with suppress(ServerError):
            nodes |= optional_names(ComfyUiRunner(workflow, server).node_info())
    return nodes
