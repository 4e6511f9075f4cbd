"""A small server on this machine with the routes of ComfyUI that onestory uses.

Its pictures are noise by seed, with a stripe for the caption, one for each reference and one for the first frame, so
that a test can see in a clip what its shot received. Failures are switched on by attributes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import select
import struct
import threading
import time
from collections import defaultdict
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

STRIPE = 8  # rows of each stripe
NODES = {
    "Text": {"required": {"text": ("STRING",)}},
    "Sampler": {
        "required": dict.fromkeys(("seed", "steps", "width", "height", "frames"), ("INT",)) | {"text": ("STRING",)},
        "optional": {"reference": ("IMAGE",), "first": ("IMAGE",)},
    },
    "LoadImage": {"required": {"image": ("STRING",)}},
    "Batch": {"optional": {"image1": ("IMAGE",), "image2": ("IMAGE",)}},
    "Save": {"required": {"images": ("IMAGE",), "filename_prefix": ("STRING",)}},
}
WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "Text", "inputs": {"text": "a picture"}, "_meta": {"title": "onestory:caption"}},
    "2": {
        "class_type": "Sampler",
        "inputs": {
            "seed": 1,
            "steps": 2,
            "width": 64,
            "height": 64,
            "frames": 5,
            "text": ["1", 0],
            "reference": ["5", 0],
            "first": ["6", 0],
        },
        "_meta": {"title": "onestory:seed, steps, width, height, frames=frames"},
    },
    "3": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "onestory:reference_1"}},
    "4": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "onestory:reference_2"}},
    "5": {"class_type": "Batch", "inputs": {"image1": ["3", 0], "image2": ["4", 0]}, "_meta": {"title": "Batch"}},
    "6": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "onestory:first_frame"}},
    "7": {
        "class_type": "Save",
        "inputs": {"images": ["2", 0], "filename_prefix": "film"},
        "_meta": {"title": "onestory:output"},
    },
}
CARD = {"fps": 8, "max_frames": 9, "policy": "recent"}


def colour(text: str) -> tuple[int, int, int]:
    """The colour that represents a text."""
    first, second, third, *_ = hashlib.sha256(text.encode()).digest()
    return first, second, third


class FakeComfyUi(ThreadingHTTPServer):
    """The server. `prompts` are all prompts that it was sent, by id; `generated` the ids that it really ran."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.seconds = 0.0  # that a prompt takes
        self.prompts: dict[str, dict[str, Any]] = {}
        self.generated: list[str] = []
        self.interrupted: list[str] = []
        self.uploads: list[str] = []
        self.pictures: dict[str, bytes] = {}
        self.history: dict[str, Any] = {}
        self.running: dict[str, float] = {}
        self.nodes: dict[str, Any] = {**NODES}
        self.messages: defaultdict[str, list[str | bytes]] = defaultdict(list)  # for the web socket of a client
        self.has_socket = True
        self._lock = threading.Lock()
        self.fail = ""  # a message with which the next prompts fail
        self.entry: Any = None  # what it says of prompts that ran, instead of their results
        self.skip_frames = 0
        self.refuse = 0  # requests to drop
        self.redirect = ""
        self.on_prompt = lambda id: None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> FakeComfyUi:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def forget(self) -> None:
        """What a restart of the server loses."""
        self.history.clear()
        self.running.clear()

    def update(self) -> None:
        """Finish what has run long enough."""
        with self._lock:
            for id, end in [*self.running.items()]:
                if time.monotonic() >= end:
                    self.history[id] = self._run(id) if self.entry is None else self.entry
                    del self.running[id]
                    self.messages[id].append(message("executing", node=None, prompt_id=id))

    def announce(self, id: str) -> None:
        """The messages of a prompt that runs: a node, its steps, and a preview of one grey."""
        picture = io.BytesIO()
        Image.new("RGB", (32, 16), (90, 90, 90)).save(picture, "JPEG")
        self.messages[id] += [
            message("status", sid=id),
            message("executing", node="1", prompt_id=id),
            message("executing", node="2", prompt_id=id),
            message("progress", node="2", value=1, max=2, prompt_id=id),
            struct.pack(">II", 1, 1) + picture.getvalue(),
            message("progress", node="2", value=2, max=2, prompt_id=id),
        ]

    def _run(self, id: str) -> dict[str, Any]:
        self.generated.append(id)
        if self.fail:
            facts = {"node_type": "Sampler", "exception_message": self.fail}
            return {"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", facts]]}}
        nodes = self.prompts[id]
        files = []
        for number, pixels in enumerate(self._frames(nodes)[self.skip_frames :]):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)
            name = f"{id}-{number}.png"
            self.pictures[name] = file.getvalue()
            files.append({"filename": name, "subfolder": "", "type": "output"})
        return {"outputs": {"7": {"images": files}}, "status": {"status_str": "success", "completed": True}}

    def _frames(self, nodes: dict[str, Any]) -> np.ndarray:
        sampler = nodes["2"]["inputs"]
        shape = (sampler["frames"], sampler["height"], sampler["width"], 3)
        pixels = np.random.default_rng(sampler["seed"]).integers(100, 120, shape, np.uint8)
        pixels += np.arange(shape[0], dtype=np.uint8)[:, None, None, None]
        pixels[:, :STRIPE] = colour(nodes["1"]["inputs"]["text"])
        for row, id in enumerate(("3", "4", "6"), start=1):
            if id in nodes:
                data = self.pictures[nodes[id]["inputs"]["image"].rpartition("/")[2]]
                pixels[:, row * STRIPE : (row + 1) * STRIPE] = np.asarray(Image.open(io.BytesIO(data)))[0, 0]
        return pixels


def message(kind: str, **data: Any) -> str:
    """A message of the web socket."""
    return json.dumps({"type": kind, "data": data})


def frame(message: str | bytes) -> bytes:
    """A message as a frame of a web socket."""
    data, kind = (message.encode(), 0x81) if isinstance(message, str) else (message, 0x82)
    return bytes([kind, 126]) + struct.pack(">H", len(data)) + data


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: FakeComfyUi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        if self._is_refused():
            return
        url, server = urlsplit(self.path), self.server
        server.update()
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/system_stats":
            self._answer({"system": {"comfyui_version": "0.3.64", "pytorch_version": "2.13.0"}})
        elif url.path.startswith("/object_info/"):
            kind = url.path.rpartition("/")[2]
            self._answer({kind: {"input": server.nodes[kind]}} if kind in server.nodes else {})
        elif url.path.startswith("/history/"):
            id = url.path.rpartition("/")[2]
            self._answer({id: server.history[id]} if id in server.history else {})
        elif url.path == "/ws" and server.has_socket:
            self._socket(query["clientId"])
        elif url.path == "/queue":
            self._answer({"queue_running": [[0, id] for id in server.running], "queue_pending": []})
        elif url.path == "/view" and query["filename"] in server.pictures:
            self._answer(server.pictures[query["filename"]])
        else:
            self._answer({}, status=404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_refused():
            return
        path, server = urlsplit(self.path).path, self.server
        server.update()
        if path == "/upload/image":
            self._upload(body)
        elif path == "/prompt":
            self._prompt(json.loads(body))
        elif path == "/queue":
            for id in json.loads(body).get("delete", ()):
                if server.running.pop(id, None):
                    server.interrupted.append(id)
            self._answer(None)
        else:
            self._answer(None)

    def _upload(self, body: bytes) -> None:
        kind = self.headers["Content-Type"]
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        for part in message.get_payload():
            if name := part.get_filename():
                self.server.uploads.append(name)
                self.server.pictures[name] = part.get_payload(decode=True)
        self._answer({"name": self.server.uploads[-1], "subfolder": "onestory", "type": "input"})

    def _prompt(self, document: dict[str, Any]) -> None:
        server, id = self.server, document["prompt_id"]
        unknown = [node["class_type"] for node in document["prompt"].values() if node["class_type"] not in server.nodes]
        if unknown:
            error = {"message": "Cannot execute", "details": f"Node {unknown[0]} does not exist"}
            self._answer({"error": error, "node_errors": {}}, status=400)
            return
        assert id not in server.prompts, "a prompt was sent twice"
        server.prompts[id] = document["prompt"]
        server.announce(id)
        server.running[id] = time.monotonic() + server.seconds
        server.on_prompt(id)
        self._answer({"prompt_id": id, "number": 1, "node_errors": {}})

    def _socket(self, client: str) -> None:
        """A web socket: send the messages of a client until it closes."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        waiting = self.server.messages[client]
        while not select.select([self.connection], [], [], 0.002)[0]:
            self.server.update()
            while waiting:
                self.wfile.write(frame(waiting.pop(0)))
        self.wfile.write(b"\x88\x00")  # a client sends nothing but its close frame

    def _is_refused(self) -> bool:
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True
        if self.server.refuse:
            self.server.refuse -= 1
            self.close_connection = True
            return True
        return False

    def _answer(self, value: Any, status: int = 200) -> None:
        data = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
