"""Replace the caption of a shot in the text of a story. Comments, order and every other byte stay the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from onestory_cli.errors import Findings, OnestoryError, shorten
from onestory_cli.story.source import StorySource, parse


def captions_by_shot(source: StorySource) -> dict[str, str]:
    """The captions as the author wrote them, without the white space around them."""
    return {str(shot["id"]): shot["caption"].strip() for _, shot in _captioned(source) if "id" in shot}


def caption_of(source: StorySource, shot: str) -> str:
    """The caption of a shot as the author wrote it.

    Raises:
        OnestoryError: S230 if the story has no such shot with a caption.
    """
    value: Any = source.value
    return str(value["shots"][_index(source, shot)]["caption"])


def replace_caption(data: bytes, path: str, shot: str, caption: str) -> bytes:
    """The story in `data` with another caption for a shot; `path` is for findings.

    A block stays a block and a quoted text stays quoted where the new text allows it.

    Raises:
        Findings: the text or its YAML cannot be read.
        OnestoryError: S230 if the story has no such shot with a caption.
    """
    source = parse(data, path)
    index = _index(source, shot)
    wanted: Any = copy.deepcopy(source.value)
    wanted["shots"][index]["caption"] = caption
    start, end = source.spans["shots", index, "caption"].value
    content = source.text.content
    for text in _spellings(content[start:end], caption, _indent(source, index)):
        edited = content[:start] + text + content[end:]
        if _means(edited, path, index, wanted):
            return edited.encode()
    raise OnestoryError("S116", f'the caption of "{shorten(shot)}" cannot be replaced', help="edit the story file")


def _spellings(old: str, caption: str, indent: int) -> Iterator[str]:
    """The caption as YAML text, the style of the old text first. Not all are valid in every place."""
    body = old.rstrip()
    tail = old[len(body) :]
    newline = "\r\n" if "\r\n" in old else "\n"
    lines = "".join(f"{newline}{' ' * indent}{line.rstrip()}" if line.strip() else newline for line in _lines(caption))
    quoted = json.dumps(caption, ensure_ascii=False)
    if body.startswith(("|", ">")):
        yield body.splitlines()[0] + lines + (tail or newline)
    elif body.startswith('"'):
        yield quoted + tail
    elif "\n" not in caption:
        yield caption.strip() + tail
    yield f"|{lines}{tail}"
    yield quoted + tail


def _lines(caption: str) -> list[str]:
    return caption.strip("\r\n").splitlines() or [""]


def _indent(source: StorySource, index: int) -> int:
    """Columns before the text of a block: those of the old block, or two more than its key has."""
    start, end = source.spans["shots", index, "caption"].value
    old = source.text.content[start:end].splitlines()
    if old and old[0].startswith(("|", ">")) and (body := [line for line in old[1:] if line.strip()]):
        return len(body[0]) - len(body[0].lstrip(" "))
    key = source.spans["shots", index, "caption"].key
    assert key is not None, "a value of a map has a key"
    return source.text.place(*key).column + 1


def _means(content: str, path: str, index: int, wanted: dict[str, Any]) -> bool:
    """Whether a text is the wanted story; white space in the caption aside, which is folded anyway."""
    caption = wanted["shots"][index]["caption"]
    try:
        found: Any = parse(content.encode(), path).value
        same = found["shots"][index]["caption"].split() == caption.split()
        found["shots"][index]["caption"] = caption
    except (Findings, TypeError, KeyError, AttributeError):
        return False
    return same and bool(found == wanted)


def _index(source: StorySource, shot: str) -> int:
    for index, item in _captioned(source):
        if item.get("id") == shot:
            return index
    raise OnestoryError("S230", f'no shot "{shorten(shot)}" with a caption in the story')


def _captioned(source: StorySource) -> Iterator[tuple[int, dict[str, Any]]]:
    """The shots that have a caption, with their index. The story may have errors."""
    shots = source.value.get("shots") if isinstance(source.value, dict) else None
    for index, shot in enumerate(shots if isinstance(shots, list) else []):
        if isinstance(shot, dict) and isinstance(shot.get("caption"), str):
            yield index, shot
