"""A small local Hugging Face Hub that serves one repository from a folder.

It can cut off a file in the middle, as unreliable networks do, and records its requests.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `folder` as the repository `repo`. A file named in `breaks` is cut off on its first request."""

    def __init__(self, repo: str, folder: Path, breaks: set[str] | None = None) -> None:
        self.repo, self.folder, self.breaks = repo, folder, breaks or set()
        self.fetched: list[tuple[str, int]] = []  # file, first byte
        self.address = ""

    def files(self) -> dict[str, bytes]:
        return {
            item.relative_to(self.folder).as_posix(): item.read_bytes()
            for item in sorted(self.folder.rglob("*"))
            if item.is_file()
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        files = self.files()
        if path.startswith(f"/api/models/{self.repo}/tree/"):
            rows = [{"type": "file", "path": name, "size": len(data), "oid": ""} for name, data in files.items()]
            _send(request, json.dumps(rows).encode())
        elif path.startswith(f"/api/models/{self.repo}"):
            siblings = [{"rfilename": name} for name in files]
            facts = {"id": self.repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            _send(request, json.dumps(facts).encode())
        elif path.startswith(f"/{self.repo}/resolve/{COMMIT}/"):
            self._file(request, path.removeprefix(f"/{self.repo}/resolve/{COMMIT}/"), files)
        else:
            request.send_error(404)

    def _file(self, request: BaseHTTPRequestHandler, name: str, files: dict[str, bytes]) -> None:
        data = files[name]
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if request.command == "GET":
            self.fetched.append((name, start))
        stops = request.command == "GET" and name in self.breaks
        self.breaks.discard(name if stops else "")
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        _send(request, data[start:], headers, until=len(data) // 2 if stops else None, status=206 if start else 200)


def _send(
    request: BaseHTTPRequestHandler,
    data: bytes,
    headers: dict[str, str] | None = None,
    *,
    until: int | None = None,
    status: int = 200,
) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data[:until])
    if until is not None:
        request.close_connection = True


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Run the hub at `hub.address` for the duration of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
