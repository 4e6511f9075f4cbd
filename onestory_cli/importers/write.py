"""Write a draft as a .story.yaml: prose in blocks, and comments where something needs attention."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic, shorten
from onestory_cli.importers.draft import Draft, DraftDeclared, DraftShot
from onestory_cli.story.referential_phrase import default_again

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec

_PLAIN = r"[A-Za-z][\w./-]*"  # needs no quotes in YAML
_MAX_REMARKS = 20
_WIDTH = 110


def write_story(
    draft: Draft,
    *,
    source: str,
    format: str,
    remarks: Sequence[Diagnostic],
    model: ModelSpec | None = None,
    narration: bool = False,
) -> str:
    """The text of a valid story. `source` is the name of the source file.

    `model` decides the lengths of shots; without it the story uses the embedded model. With `narration`, a shot with
    dialogue has a slot for its recording, as a comment.
    """
    lines = [*_head(draft, source, format, remarks, model), "", "shots:"]
    for shot in draft.shots:
        lines += _shot(shot, model, narration)
    return "\n".join(lines) + "\n"


def _head(
    draft: Draft, source: str, format: str, remarks: Sequence[Diagnostic], model: ModelSpec | None
) -> Iterator[str]:
    yield "# yaml-language-server: $schema=story.v1.schema.json"
    yield f"# Imported from {shorten(source)} ({format})."
    yield from _remarks(remarks)
    yield "story: 1"
    yield f"title: {_quoted(draft.title)}"
    if model is None or model.name == "storyworld":
        yield "model: storyworld  # knows only its own small world; `onestory models` lists others"
    else:
        yield f"model: {model.name if re.fullmatch(_PLAIN, model.name) else _quoted(model.name)}"
    if draft.note:
        yield from ("", *_block("note", draft.note, ""))
    if draft.style:
        yield from ("", *_block("style", draft.style, ""))
    for key, declared in (("characters", draft.characters), ("settings", draft.settings)):
        if declared:
            yield from ("", f"{key}:")
            for item in declared:
                yield from _declared(item)


def _remarks(remarks: Sequence[Diagnostic]) -> Iterator[str]:
    for item in remarks[:_MAX_REMARKS]:
        yield f"#   {shorten(item.message, 200)}"
    if len(remarks) > _MAX_REMARKS:
        yield f"#   and {len(remarks) - _MAX_REMARKS} more, listed by the import"


def _declared(item: DraftDeclared) -> Iterator[str]:
    yield f"  {item.id}:" + (f"  # {shorten(item.why, 100)}" if item.why else "")
    yield from _block("look", item.look, "    ")
    if item.again and item.again != default_again(item.id, item.look):
        yield f"    again: {_quoted(item.again)}"


def _shot(shot: DraftShot, model: ModelSpec | None, narration: bool) -> Iterator[str]:
    yield f"  - id: {shot.id}"
    if shot.seconds and model:
        yield f"    frames: {frames_near(shot.seconds, model)}  # {_length(shot)}"
    elif shot.seconds:
        yield f"    x-duration: {shot.seconds:g}s"
    if shot.image:
        yield f"    image: {_quoted(shot.image)}"
    yield from _block("caption", shot.caption, "    ")
    if shot.subtitle:
        yield f"    subtitle: {json.dumps(shot.subtitle, ensure_ascii=False)}"
    if shot.subtitle and narration:
        yield f"    # audio: {{file: narration/{shot.id}.wav, role: narration}}  # record it, then enable this"
    if shot.continues:
        yield "    cut: false"
    for key, text in shot.notes.items():
        yield from _block(key, text, "    ")


def _length(shot: DraftShot) -> str:
    if shot.estimated:
        return f"about {shot.seconds:g} s by the length of its text"
    return f"{shot.seconds:g} s in the source"


def frames_near(seconds: float, model: ModelSpec) -> int:
    """The length in frames that a model can make and that is nearest to a time."""
    steps = round((seconds * model.fps - 1) / model.temporal_stride)
    return min(max(steps, 1) * model.temporal_stride + 1, model.max_frames)


def _block(key: str, text: str, indent: str) -> Iterator[str]:
    """Prose as a YAML block, wrapped at words. Its lines are stripped: YAML takes leading spaces for indentation."""
    yield f"{indent}{key}: |"
    for line in text.splitlines():
        yield from textwrap.wrap(
            line.strip(),
            _WIDTH,
            initial_indent=f"{indent}  ",
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
