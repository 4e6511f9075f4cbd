"""Captions by an OpenAI-compatible server: frames as JPEG in, text out. The key comes from the environment alone."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from onestory_cli.curation.captioners import Pixels, Prompts, ShotView, rewrite_question
from onestory_cli.curation.errors import caption_fault
from onestory_cli.curation.stage_store import stage_key
from onestory_cli.errors import ExitCode

KEY = "ONESTORY_CAPTION_KEY"
ATTEMPTS = 5
TIMEOUT = 120.0  # seconds
MAX_ANSWER = 2**20  # bytes
SIDE = 768  # pixels of the longer side of a frame as sent
_RETRY = {408, 409, 429, 500, 502, 503, 504}


@dataclass
class Usage:
    """Tokens that the server counted."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True, kw_only=True)
class EndpointCaptioner:
    """Asks a server. Requests are repeated with growing pauses; `usage` adds up what they cost."""

    url: str
    model: str
    prompts: Prompts
    identity: str
    needs_frames: bool = True
    usage: Usage = field(default_factory=Usage)
    pause: float = 1.0  # seconds before the second attempt, doubled for each further one

    @classmethod
    def connect(cls, url: str, model: str, prompts: Prompts) -> EndpointCaptioner:
        """Return a captioner for the server at `url`, with or without /v1/chat/completions.

        Raises:
            OnestoryError: T654 for an address that is not http(s), or no model.
        """
        if not url.startswith(("http://", "https://")):
            help = "write endpoint:http://127.0.0.1:8000/v1"
            raise caption_fault(f'"{url}" is not an http address', help, ExitCode.USAGE)
        if not model:
            help = "add `captions: {model: NAME}` or --caption-model NAME"
            raise caption_fault("an endpoint needs a model", help, ExitCode.USAGE)
        base = url.rstrip("/").removesuffix("/chat/completions")
        identity = f"endpoint {stage_key(model, prompts.caption, prompts.rewrite)}"
        return cls(url=f"{base}/chat/completions", model=model, prompts=prompts, identity=identity)

    def caption(self, view: ShotView) -> str:
        return self._ask(self.prompts.caption, view.frames)

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        return self._ask(rewrite_question(self.prompts, caption, earlier), [*before.frames, *view.frames])

    def _ask(self, question: str, frames: Sequence[Pixels]) -> str:
        content: list[dict[str, Any]] = [{"type": "text", "text": question}]
        content += [{"type": "image_url", "image_url": {"url": _data_url(frame)}} for frame in frames]
        body = {"model": self.model, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        answer = self._post(json.dumps(body).encode("utf-8"))
        try:
            text = answer["choices"][0]["message"]["content"]
            used = answer.get("usage") or {}
            self.usage.prompt += int(used.get("prompt_tokens") or 0)
            self.usage.completion += int(used.get("completion_tokens") or 0)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
            raise caption_fault(
                f"{self.url} answered something else than a chat completion", "check the address and the model"
            ) from fault
        return " ".join(str(text or "").split())

    def _post(self, body: bytes) -> Any:
        """Post a request; pauses and repeats while the server is busy or away.

        Raises:
            OnestoryError: T654 after the last attempt, or at once for an answer that no repetition changes.
        """
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        fault: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                request = urllib.request.Request(self.url, data=body, headers=headers)
                with _OPENER.open(request, timeout=TIMEOUT) as reply:
                    return json.loads(reply.read(MAX_ANSWER))
            except urllib.error.HTTPError as error:
                fault = error
                if error.code not in _RETRY:
                    break
            except (OSError, http.client.HTTPException, ValueError) as error:
                fault = error
        message = f"{self.url} does not answer: {getattr(fault, 'reason', None) or fault}"
        raise caption_fault(
            message, f"start the server, check {KEY}, then rerun the command; finished captions are kept"
        ) from fault


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key must not follow a redirect to another server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _data_url(frame_HWC: Pixels) -> str:
    picture = Image.fromarray(frame_HWC)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
