"""Check an external model before any work: server, node classes, types of bound inputs, choices of model files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, OnestoryError, shorten, unplaced
from onestory_cli.external.comfyui import ComfyUiRunner
from onestory_cli.external.web_socket import has_web_socket
from onestory_cli.models.spec import ExternalModel
from onestory_cli.models.workflow import PICTURES, Binding, Workflow, read_workflow

_TEXTS = ("caption", "negative")  # of type STRING; the other values are numbers
_NUMBER_TYPES = ("INT", "FLOAT")
MAX_LISTED_CHOICES = 5
PROGRESS = "steps, nodes and previews by the web socket"
NO_PROGRESS = "finished shots only; run `pip install 'onestory[comfyui]'` for steps and previews"


@dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """The result: what was found, in words, and what is wrong."""

    found: tuple[str, ...]
    findings: tuple[Diagnostic, ...]


def check_model(model: ExternalModel) -> ModelCheck:
    """Check an external model. Only a workflow's server is contacted; nothing is generated."""
    return _check_workflow(model) if model.workflow else _check_command(model)


def _check_command(model: ExternalModel) -> ModelCheck:
    program = model.command[0]
    path = shutil.which(program) or shutil.which(str(Path(model.folder) / program))
    if path is None:
        return ModelCheck(found=(), findings=(unplaced("M554", f'the program "{shorten(program)}" was not found'),))
    return ModelCheck(found=(f"command: {path}",), findings=())


def _check_workflow(model: ExternalModel) -> ModelCheck:
    workflow = read_workflow(Path(model.workflow))
    bound = [_described(item) for item in workflow.bindings.values()]
    found = [f"workflow: {len(workflow.nodes)} nodes, {len(workflow.classes)} classes", *bound]
    runner = ComfyUiRunner(workflow, model.server)
    try:
        facts, info = runner.environment(), runner.node_info()
    except OnestoryError as fault:
        return ModelCheck(found=tuple(found), findings=fault.diagnostics)
    found.append(f"server: {model.server}, ComfyUI {facts['comfyui'] or 'of unknown version'}")
    found.append(f"progress: {PROGRESS if has_web_socket() else NO_PROGRESS}")
    return ModelCheck(found=tuple(found), findings=tuple(_node_findings(workflow, info)))


def _described(binding: Binding) -> str:
    return f"{binding.name}: node {binding.node}" + (f", input {binding.input}" if binding.input else "")


def _node_findings(workflow: Workflow, info: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """M553 for classes that the server does not have, values that it does not offer, and inputs of another type."""
    bound = {(item.node, item.input): item.name for item in workflow.bindings.values()}
    for kind in workflow.classes:
        if kind not in info:
            yield unplaced("M553", f'the server has no node class "{shorten(kind)}"', "install the custom nodes")
    for id, node in workflow.nodes.items():
        if node["class_type"] not in info:
            continue
        groups = info[node["class_type"]].get("input", {})
        specs = {**groups.get("required", {}), **groups.get("optional", {})}
        for key, value in node["inputs"].items():
            where = f"input {key} of node {id} ({shorten(node['class_type'])})"
            yield from _input_findings(where, value, specs.get(key), bound.get((id, key)))


def _input_findings(where: str, value: Any, spec: Any, name: str | None) -> Iterator[Diagnostic]:
    kind = spec[0] if isinstance(spec, list | tuple) and spec else None
    choices = _choices(spec)
    if name in PICTURES or kind is None:
        return
    if name is not None:
        if kind not in (("STRING",) if name in _TEXTS else _NUMBER_TYPES):
            said = kind if isinstance(kind, str) else "a choice"
            yield unplaced("M553", f'{where} cannot take "{name}": its type is {shorten(said)}', "bind another input")
    elif choices is not None and not isinstance(value, list) and value not in choices:
        listed = ", ".join(map(str, choices[:MAX_LISTED_CHOICES])) or "nothing"
        yield unplaced("M553", f'the server does not have "{shorten(value)}" for {where}', f"it has {shorten(listed)}")


def _choices(spec: Any) -> list[Any] | None:
    """The values that an input offers, such as the model files of a loader; None if it is not a choice."""
    if not isinstance(spec, list | tuple) or not spec:
        return None
    if isinstance(spec[0], list):
        return spec[0]
    options = spec[1].get("options") if spec[0] == "COMBO" and len(spec) > 1 and isinstance(spec[1], dict) else None
    return options if isinstance(options, list) else None
