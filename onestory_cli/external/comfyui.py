"""Run a workflow on a ComfyUI server: upload pictures, queue a prompt, wait for it and fetch its results.

The id of a prompt is chosen here and saved before the prompt is sent. After a crash, a prompt that is queued, running
or finished on the server is found by its id, so that nothing is generated twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from onestory_cli.checkpoint import Checkpoint, Partial
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.external.http import NO_RETRY, RETRY_SECONDS, HttpClient, HttpError, ServerError
from onestory_cli.external.job import MAX_SHOT_SECONDS, ExternalJob, RunControl, picture_name
from onestory_cli.external.progress import PromptProgress
from onestory_cli.external.prompt import FOLDER, build_prompt, not_generated
from onestory_cli.external.result import plain_suffix
from onestory_cli.external.web_socket import Waiter, open_waiter
from onestory_cli.models.workflow import Workflow
from onestory_cli.utils.untrusted import parse_json

API_KEY_VARIABLE = "COMFYUI_API_KEY"  # of API nodes; sent with the prompt, never stored
MAX_LOST_PROMPTS = 3  # restarts of the server during one shot
MAX_FILES = 10_000
_PROMPT = "prompt_id"

# JSON Schemas of what is read from the answers of a server; answers have more
_TEXT, _MAP = {"type": "string"}, {"type": "object"}
_EVENT = {"type": "array", "items": [_TEXT, _MAP], "minItems": 2}
_STATUS = {
    "type": ["object", "null"],
    "properties": {"status_str": {"type": ["string", "null"]}, "messages": {"type": "array", "items": _EVENT}},
}
_OUTPUTS = {"type": "object", "additionalProperties": _MAP}
_HISTORY = {"additionalProperties": {"type": "object", "properties": {"status": _STATUS, "outputs": _OUTPUTS}}}
_QUEUED = {"type": "array", "items": {"type": "array"}}
_QUEUE = {"properties": {"queue_running": _QUEUED, "queue_pending": _QUEUED}}
_INPUTS = {"type": "object", "properties": {"required": _MAP, "optional": _MAP}}
_NODES = {"additionalProperties": {"type": "object", "properties": {"input": _INPUTS}}}
_SYSTEM = {
    "properties": {"system": {"type": "object", "properties": {"comfyui_version": _TEXT, "pytorch_version": _TEXT}}}
}


class LostPromptError(Exception):
    """The server does not know a prompt any more: it was restarted."""


class ComfyUiRunner:
    """Runs the prompts of one workflow on one server."""

    def __init__(self, workflow: Workflow, server: str) -> None:
        self._workflow, self._client = workflow, HttpClient(server, retry_seconds=NO_RETRY)
        self._uploaded: set[str] = set()

    def run(self, job: ExternalJob, folder: Path, control: RunControl) -> list[Path]:
        """Generate a shot; see `Runner`."""
        self.environment()
        prompt = build_prompt(self._workflow, job, optional=self._optional_inputs, place=self._upload)
        text = json.dumps([prompt, self._client.server], sort_keys=True)
        identity = hashlib.sha256(text.encode()).hexdigest()
        known = _known_prompt(control.checkpoint, identity)
        self._client.retry_seconds = RETRY_SECONDS  # it has answered, so it may be restarting
        for _ in range(MAX_LOST_PROMPTS):
            id = known or str(uuid.uuid4())
            state = _state(identity, id, control.steps)
            self._client.on_pause = partial(control.pause, state)
            try:
                with open_waiter(self._client.server, id) as waiter:  # opened first: a prompt may take no time
                    if known is None:
                        self._queue(prompt, id, state, control)
                    outputs = self._wait(id, PromptProgress(self._workflow, control), waiter)
                control.on_step(control.steps, control.steps)
                return self._fetch(outputs, folder)
            except LostPromptError:
                known = None
        raise not_generated(job.shot, f"the server restarted {MAX_LOST_PROMPTS} times")

    def environment(self) -> Mapping[str, Any]:
        """The version of the server, as it says."""
        return self._environment

    @cached_property
    def _environment(self) -> dict[str, Any]:
        versions = self._client.get_map("/system_stats", _SYSTEM).get("system", {})
        return {
            "device": "comfyui",
            "server": self._client.server,
            "comfyui": shorten(versions.get("comfyui_version", ""), 40),
            "torch": shorten(versions.get("pytorch_version", ""), 40),
        }

    def node_info(self) -> dict[str, Any]:
        """The definitions of the node classes of the workflow; without those that the server does not have."""
        found: dict[str, Any] = {}
        for kind in self._workflow.classes:
            with suppress(HttpError):
                found |= self._client.get_map(f"/object_info/{kind}", _NODES)
        return found

    @cached_property
    def _optional_inputs(self) -> dict[str, tuple[str, ...]]:
        """The optional inputs of each node class."""
        info = self.node_info()
        if missing := [kind for kind in self._workflow.classes if kind not in info]:
            raise _rejected(self._client.server, f"it has no node class {', '.join(map(shorten, missing))}")
        return optional_names(info)

    def _upload(self, png: bytes) -> str:
        name = picture_name(png)
        if name not in self._uploaded:
            fields = {"type": "input", "subfolder": FOLDER, "overwrite": "true"}
            self._client.post_file("/upload/image", name, png, fields)
            self._uploaded.add(name)
        return f"{FOLDER}/{name}"

    def _queue(self, prompt: dict[str, Any], id: str, state: Partial, control: RunControl) -> None:
        """Save the id of a prompt, then send the prompt.

        After a lost connection it is not sent again, because the server may have it. `_wait` finds out.
        """
        if control.checkpoint.enabled:
            control.checkpoint.keep(state)
        key = os.environ.get(API_KEY_VARIABLE)
        extra = {"extra_data": {"api_key_comfy_org": key}} if key else {}
        document = {"prompt": prompt, _PROMPT: id, "client_id": id, **extra}
        try:
            self._client.post_json("/prompt", document, retry=False)
        except HttpError as fault:
            raise _rejected(self._client.server, _reason(fault)) from fault
        except ServerError:
            self._client.get_map("/queue", _QUEUE)  # with retries: the server may be starting

    def _wait(self, id: str, progress: PromptProgress, waiter: Waiter) -> Mapping[str, Any]:
        """The outputs of a prompt by node, once it is finished.

        Raises:
            LostPromptError: the server does not know the prompt.
            OnestoryError: M554 if it failed.
        """
        end = time.monotonic() + MAX_SHOT_SECONDS
        try:
            while time.monotonic() < end:
                if (entry := self._finished(id)) is not None:
                    return _outputs(entry, self._workflow)
                if not self._is_queued(id) and self._finished(id) is None:
                    raise LostPromptError
                for message in waiter.messages():
                    self._client.on_pause()
                    if message:
                        progress(message)
        except KeyboardInterrupt:
            self._interrupt(id)
            raise
        raise not_generated(self._workflow.path, f"it has not finished after {MAX_SHOT_SECONDS // 3600} hours")

    def _finished(self, id: str) -> Any | None:
        return self._client.get_map(f"/history/{id}", _HISTORY).get(id)

    def _is_queued(self, id: str) -> bool:
        queue = self._client.get_map("/queue", _QUEUE)
        entries = [*queue.get("queue_running", ()), *queue.get("queue_pending", ())]
        return any(len(entry) > 1 and entry[1] == id for entry in entries)

    def _interrupt(self, id: str) -> None:
        """Remove a prompt from the queue, and stop it if it is running. A server that is gone has stopped too."""
        with suppress(ServerError):
            client = HttpClient(self._client.server, retry_seconds=NO_RETRY)
            client.post_json("/queue", {"delete": [id]})
            client.post_json("/interrupt", {_PROMPT: id})

    def _fetch(self, outputs: Mapping[str, Any], folder: Path) -> list[Path]:
        """Download the files of the output node, in order."""
        entries = list(_files(outputs.get(self._workflow.output, {})))
        if not entries or len(entries) > MAX_FILES:
            raise not_generated(self._workflow.path, f"its output node has {len(entries)} files")
        paths = []
        for number, entry in enumerate(entries):
            path = folder / f"{number:05d}{plain_suffix(entry['filename'])}"
            query = {key: str(entry.get(key, "")) for key in ("filename", "subfolder", "type")}
            try:
                self._client.download("/view", query, path)
            except HttpError as fault:
                raise not_generated(self._workflow.path, f"the server does not send its result: {fault.why}") from fault
            paths.append(path)
        return paths


def optional_names(info: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of the optional inputs of each class, from the definitions that a server sent."""
    return {kind: tuple(item.get("input", {}).get("optional", {})) for kind, item in info.items()}


def _known_prompt(checkpoint: Checkpoint, identity: str) -> str | None:
    """The id of the prompt that an earlier process sent for the same work."""
    saved = checkpoint.load(identity)
    return bytes(saved.arrays[_PROMPT]).decode() if saved else None


def _state(identity: str, id: str, steps: int) -> Partial:
    import numpy as np

    return Partial(identity=identity, step=0, steps=steps, arrays={_PROMPT: np.frombuffer(id.encode(), np.uint8)})


def _outputs(entry: Mapping[str, Any], workflow: Workflow) -> Mapping[str, Any]:
    """The outputs of a finished prompt.

    Raises:
        LostPromptError: it was interrupted, so it must be sent again.
        OnestoryError: M554 if a node failed.
    """
    status = entry.get("status") or {}
    if status.get("status_str") in (None, "success"):
        outputs: Mapping[str, Any] = entry.get("outputs", {})
        return outputs
    for kind, facts in status.get("messages", ()):
        if kind == "execution_interrupted":
            raise LostPromptError
        if kind == "execution_error":
            node, why = facts.get("node_type", "a node"), facts.get("exception_message", "")
            raise not_generated(workflow.path, f"{shorten(str(node))} failed: {shorten(str(why).strip(), 300)}")
    raise not_generated(workflow.path, "the server reports a failure without a reason")


def _files(output: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The files that a node gave, whatever it calls them (images, gifs, video); no sound."""
    for kind, entries in output.items():
        for entry in entries if kind != "audio" and isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
                yield entry


def _reason(fault: HttpError) -> str:
    """The first error in the answer to a rejected prompt."""
    try:
        document = parse_json(fault.body.encode(), "the answer")
        errors = [error for node in document.get("node_errors", {}).values() for error in node.get("errors", ())]
        first = errors[0] if errors else document["error"]
        return f"{first.get('message', '')}: {first.get('details', '')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return fault.why


def _rejected(server: str, why: str) -> OnestoryError:
    """M553."""
    return OnestoryError(
        "M553",
        f"{server} cannot run the workflow: {shorten(why, 300)}",
        help="check it with `onestory models check`, and run the workflow once in ComfyUI",
        exit=ExitCode.MACHINE,
    )
