"""The processor of an image-text model for pictures only, so that torchvision is not needed.

Processors of Qwen3-VL and SmolVLM2 have a part for videos that only torchvision can run. Captioners give frames as
pictures, so the processor is built without that part.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.utils import cached_file


def load_picture_processor(name: str) -> Any:
    """Load the processor of a model by hub id or folder, without its part for videos if torchvision is missing.

    Raises:
        OSError, ValueError: its files cannot be read, or name no processor.
    """
    try:
        return AutoProcessor.from_pretrained(name)
    except ImportError:
        return _without_videos(name)


def _without_videos(name: str) -> Any:
    settings = _settings(name)
    whole = getattr(transformers, str(settings.get("processor_class")), None)
    if whole is None:
        raise ValueError(f'"{name}" names no processor of this version of transformers')
    tokenizer = AutoTokenizer.from_pretrained(name)
    kept = classmethod(lambda cls: ["image_processor", "tokenizer"])
    pictures_only = type(whole.__name__, (whole,), {"get_attributes": kept, "video_processor": None})
    options = {"image_seq_len": settings["image_seq_len"]} if "image_seq_len" in settings else {}
    return pictures_only(
        image_processor=AutoImageProcessor.from_pretrained(name),
        tokenizer=tokenizer,
        video_processor=None,
        chat_template=tokenizer.chat_template or _template(name),
        **options,
    )


def _settings(name: str) -> dict[str, Any]:
    """The keys of the processor; older models keep them with the image processor."""
    found: dict[str, Any] = {}
    for file in ("preprocessor_config.json", "processor_config.json"):
        path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        found |= json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    return found


def _template(name: str) -> str | None:
    path = cached_file(name, "chat_template.jinja", _raise_exceptions_for_missing_entries=False)
    if path:
        return Path(path).read_text(encoding="utf-8")
    path = cached_file(name, "chat_template.json", _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(path).read_text(encoding="utf-8"))["chat_template"] if path else None
