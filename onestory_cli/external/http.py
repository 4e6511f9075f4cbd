"""A small HTTP client for one server: no redirects, no proxies, bounded sizes and times, retries.

The clients of other libraries follow redirects and read proxies from the environment unless both are switched off.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jsonschema import Draft7Validator

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.utils.untrusted import parse_json

TIMEOUT_SECONDS = 30.0  # of one read or write of the socket
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # a ComfyUI with custom nodes starts in half a minute
NO_RETRY: tuple[float, ...] = ()
_PAUSE_SECONDS = 0.25
MAX_JSON_BYTES = 64 * 2**20
MAX_FILE_BYTES = 4 * 2**30
_CHUNK_BYTES = 2**20
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


class ServerError(OnestoryError):
    """M552: a server cannot be used. `why` is the reason alone."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(
            "M552",
            f"cannot use the server {shorten(server, 200)}: {why}",
            help="start ComfyUI, or correct `server:`; then rerun the command. Finished shots are kept",
            exit=ExitCode.MACHINE,
        )
        self.why = why


class HttpError(ServerError):
    """M552 for an answer with another status than 200. `body` is its text, cut."""

    def __init__(self, server: str, status: int, body: str) -> None:
        super().__init__(server, f"status {status}: {shorten(body, 300)}" if body else f"status {status}")
        self.body = body


class HttpClient:
    """Requests to one server. `on_pause` is called several times a second while it waits; it may raise to stop.

    Every method raises ServerError if the server cannot be reached after retries or does not answer as expected, and
    HttpError for an error status.
    """

    def __init__(self, server: str, *, retry_seconds: tuple[float, ...] = RETRY_SECONDS) -> None:
        self.server = server
        try:
            parts = urlsplit(server)
            if not parts.hostname or parts.scheme not in _CONNECTIONS:
                raise ValueError(server)
            self._connection, self._path = _CONNECTIONS[parts.scheme], parts.path.rstrip("/")
            self._host, self._port = parts.hostname, parts.port
        except ValueError as fault:
            raise self._unusable("its address is not valid") from fault
        self.retry_seconds = retry_seconds
        self.on_pause: Callable[[], None] = lambda: None

    def get_map(self, path: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that answers a GET request, checked against a JSON Schema."""
        body = self._request("GET", path)
        try:
            answer = parse_json(body, path)
        except ValueError as fault:
            raise self._unusable("it does not answer in JSON") from fault
        if not isinstance(answer, dict) or not Draft7Validator(schema).is_valid(answer):
            raise self._unusable("it does not answer as ComfyUI does")
        return answer

    def post_json(self, path: str, document: Any, *, retry: bool = True) -> None:
        """Post JSON. Without `retry`, a lost connection is not tried again: the server may have read the request."""
        body = json.dumps(document).encode()
        self._request("POST", path, body=body, kind="application/json", retry=retry)

    def post_file(self, path: str, name: str, data: bytes, fields: Mapping[str, str]) -> None:
        """Upload a file as a form with the field `image`."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        parts += [f"{head}Content-Type: image/png\r\n\r\n".encode(), data, f"\r\n--{boundary}--\r\n".encode()]
        kind = f"multipart/form-data; boundary={boundary}"
        self._request("POST", path, body=b"".join(parts), kind=kind)

    def download(self, path: str, query: Mapping[str, str], target: Path) -> None:
        """Write the answer to a GET request to a new file."""
        self._request("GET", path, query=query, target=target)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        kind: str = "",
        target: Path | None = None,
        retry: bool = True,
    ) -> bytes:
        url = self._path + quote(path) + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": kind} if kind else {}
        for pause in (*(self.retry_seconds if retry else ()), None):
            try:
                return self._once(method, url, body, headers, target)
            except (OSError, http.client.HTTPException) as fault:
                if pause is None:
                    raise self._unusable(str(fault) or type(fault).__name__) from fault
                self._pause(pause)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _PAUSE_SECONDS))
            self.on_pause()

    def _once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], target: Path | None
    ) -> bytes:
        connection = self._connection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, url, body=body, headers=dict(headers))
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise HttpError(self.server, answer.status, answer.read(4096).decode("utf-8", "replace"))
            if target is None:
                return self._bounded(answer)
            self._save(answer, target)
            return b""
        finally:
            connection.close()

    def _bounded(self, answer: http.client.HTTPResponse) -> bytes:
        data = answer.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise self._unusable(f"its answer is larger than {MAX_JSON_BYTES // 2**20} MiB")
        return data

    def _save(self, answer: http.client.HTTPResponse, target: Path) -> None:
        size, expected = 0, answer.length
        with os_errors_coded(target), target.open("wb") as file:
            while chunk := self._read(answer):
                size += len(chunk)
                if size > MAX_FILE_BYTES:
                    raise self._unusable(f"a result is larger than {MAX_FILE_BYTES // 2**30} GiB")
                file.write(chunk)
        if expected is not None and size != expected:
            raise http.client.IncompleteRead(b"", expected - size)

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            return answer.read(_CHUNK_BYTES)
        except OSError as fault:  # of the network, not of the disk
            raise http.client.HTTPException(str(fault)) from fault

    def _unusable(self, why: str) -> ServerError:
        return ServerError(self.server, why)
