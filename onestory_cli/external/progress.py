"""Progress of a prompt, from the messages that a ComfyUI server sends through its web socket. No network here."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from onestory_cli.external.job import RunControl
from onestory_cli.models.workflow import Workflow

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4  # BinaryEventTypes in protocol.py of ComfyUI
_SAMPLER = "sampl"  # in the class names of nodes that denoise: KSampler, SamplerCustomAdvanced, WanVideoSampler


@dataclass(frozen=True, kw_only=True)
class PromptMessage:
    """A message about a prompt.

    Attributes:
        node: the id of the node that runs; "" in previews without metadata.
        step: the steps of the node that are done, of `steps`; 0 of 0 for a node that has just started.
        picture: a preview as JPEG or PNG.
        ended: whether the server has finished the prompt, with or without success.
    """

    node: str = ""
    step: int = 0
    steps: int = 0
    picture: bytes = b""
    ended: bool = False


def parse_message(message: str | bytes, prompt: str) -> PromptMessage | None:
    """The message if it is progress of this prompt; None for other messages and for malformed ones."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError):
        return _picture(message, prompt) if isinstance(message, bytes) else _text(json.loads(message), prompt)
    return None


def _text(document: Mapping[str, Any], prompt: str) -> PromptMessage | None:
    kind, data = document["type"], document["data"]
    if data.get("prompt_id", prompt) != prompt:
        return None
    if kind == "executing":
        return PromptMessage(ended=True) if data["node"] is None else PromptMessage(node=str(data["node"]))
    if kind == "progress":
        return PromptMessage(node=str(data.get("node") or ""), step=int(data["value"]), steps=int(data["max"]))
    return None


def _picture(message: bytes, prompt: str) -> PromptMessage | None:
    kind, length = struct.unpack_from(">II", message)  # the second number is the format of a preview, or a length
    if kind == _PREVIEW:
        return PromptMessage(picture=message[8:])
    if kind != _PREVIEW_WITH_METADATA:
        return None
    metadata = json.loads(message[8 : 8 + length])
    if metadata.get("prompt_id", prompt) != prompt:
        return None
    return PromptMessage(node=str(metadata.get("node_id", "")), picture=message[8 + length :])


class PromptProgress:
    """Reports the messages of one prompt to a `RunControl`: nodes, previews, and the steps of all samplers added up."""

    def __init__(self, workflow: Workflow, control: RunControl) -> None:
        self._workflow, self._control = workflow, control
        self._node = ""
        self._samplers: dict[str, tuple[int, int]] = {}  # node -> steps done, and its steps

    def __call__(self, message: PromptMessage) -> None:
        if message.picture:
            self._control.on_preview(message.picture)
            return
        if message.ended:
            return
        node = message.node or self._node
        self._node = node
        self._control.on_node(self._workflow.label(node), message.step, message.steps)
        if message.steps and _SAMPLER in self._workflow.class_of(node).lower():
            self._samplers[node] = (min(message.step, message.steps), message.steps)
            done, steps = map(sum, zip(*self._samplers.values(), strict=True))
            self._control.on_step(done, max(steps, self._control.steps))
